"""Constraints: expressions over hyperparameters, parsed by `ast`, checked for types and evaluated in columns.

An expression may hold numbers, strings, true and false (`True`, `False`), None, names of hyperparameters, `+ - * / // %
**`, comparisons (chained ones too), `in` and `not in` with a list, `and`, `or`, `not`, and the functions of
`FUNCTIONS`. Nothing is ever given to Python's `eval`.
"""

import ast
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from .domain import Domain
from .errors import InvalidSpaceError
from .values import ValueType, show

Array: TypeAlias = npt.NDArray[Any]
Columns: TypeAlias = Mapping[str, Array]
Kind: TypeAlias = Literal["number", "boolean", "string", "json"]

FUNCTIONS: Mapping[str, tuple[int, int | None, Callable[..., Any]]] = {
    "abs": (1, 1, np.abs),
    "exp": (1, 1, np.exp),
    "log": (1, 1, np.log),
    "max": (2, None, lambda *values: reduce(np.maximum, values)),
    "min": (2, None, lambda *values: reduce(np.minimum, values)),
    "sqrt": (1, 1, np.sqrt),
}
"""Fewest arguments, most arguments and implementation of each function."""

_ARITHMETIC: Mapping[type[ast.operator], Callable[..., Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
_SIGNS: Mapping[type[ast.unaryop], Callable[..., Any]] = {ast.UAdd: np.positive, ast.USub: np.negative}
_ORDER: Mapping[type[ast.cmpop], Callable[..., Any]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}
_KINDS: Mapping[ValueType, Kind] = {
    "float": "number",
    "integer": "number",
    "string": "string",
    "boolean": "boolean",
    "json": "json",
}
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Constraint:
    """One constraint between hyperparameters.

    Attributes:
        text: The expression, as it was given.
        names: The hyperparameters it names.
        evaluate: The expression on columns of values.
    """

    text: str
    names: tuple[str, ...]
    evaluate: Callable[[Columns], Array]

    @classmethod
    def parse(cls, text: object, domains: Mapping[str, Domain]) -> "Constraint":
        """The constraint that `text` writes, over hyperparameters with the given domains.

        Raises:
            InvalidSpaceError: The text is no expression of the allowed kind, or names an unknown hyperparameter.
        """
        if not isinstance(text, str) or len(text) > _LONGEST:
            raise InvalidSpaceError(f"needs an expression of at most {_LONGEST} characters, got {show(text)}")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python's advice on how to write code is of no use here
                tree = ast.parse(text.strip(), mode="eval")
            parser = _Parser(domains)
            kind, evaluate = parser.term(tree.body)
        except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
            raise InvalidSpaceError(_reason(text, error)) from None
        if kind != "boolean" or not parser.names:
            raise InvalidSpaceError(f"needs a comparison between hyperparameters, got {show(text)}")
        return cls(text, tuple(parser.names), evaluate)

    def holds(self, columns: Columns, active: Mapping[str, npt.NDArray[np.bool_]]) -> npt.NDArray[np.bool_]:
        """A mask, True where the constraint holds; it holds wherever a hyperparameter that it names is inactive.

        Arithmetic follows IEEE 754: a comparison with an undefined result, such as log(-1), does not hold.
        """
        with np.errstate(all="ignore"):
            result = self.evaluate(columns)
        relevant = np.logical_and.reduce([active[name] for name in self.names])
        holds: npt.NDArray[np.bool_] = np.asarray(result, dtype=np.bool_) | ~relevant
        return holds


def _reason(text: str, error: Exception) -> str:
    if isinstance(error, InvalidSpaceError):
        return f"{error}, in {show(text)}"
    return f"needs an expression such as 'a * b <= 100', got {show(text)}"


_Term: TypeAlias = tuple[Kind, Callable[[Columns], Any]]


class _Parser:
    """Turns syntax into a kind and a function of the columns, and collects the names on the way."""

    def __init__(self, domains: Mapping[str, Domain]) -> None:
        self.domains = domains
        self.names: dict[str, None] = {}

    def term(self, node: ast.expr) -> _Term:
        match node:
            case ast.Constant(value=value):
                return _constant(value)
            case ast.Name() | ast.Attribute():
                return self._name(_dotted(node))
            case ast.Compare(left=left, ops=operators, comparators=comparators):
                return self._comparison([left, *comparators], operators)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._function(name, arguments)
        return self._operation(node)

    def _operation(self, node: ast.expr) -> _Term:
        match node:
            case ast.UnaryOp(op=operator, operand=operand) if type(operator) in _SIGNS:
                return self._call("number", _SIGNS[type(operator)], "number", [operand])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._call("boolean", np.logical_not, "boolean", [operand])
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _ARITHMETIC:
                return self._call("number", _ARITHMETIC[type(operator)], "number", [left, right])
            case ast.BoolOp(op=operator, values=values):
                combine = np.logical_and if isinstance(operator, ast.And) else np.logical_or
                return self._call("boolean", _folded(combine), "boolean", values)
        raise InvalidSpaceError(f"{ast.unparse(node)!r} is not allowed; use arithmetic, comparisons and {_functions()}")

    def _name(self, name: str) -> _Term:
        if name not in self.domains:
            raise InvalidSpaceError(f"unknown hyperparameter {name!r}; known are {', '.join(self.domains)}")
        self.names[name] = None
        kind = _KINDS[self.domains[name].value_type]
        if kind == "number":
            return kind, lambda columns: columns[name].astype(np.float64)
        return kind, lambda columns: columns[name]

    def _expect(self, kind: Kind, node: ast.expr) -> Callable[[Columns], Any]:
        found, evaluate = self.term(node)
        if found != kind:
            raise InvalidSpaceError(f"{ast.unparse(node)!r} is a {found} where a {kind} is needed")
        return evaluate

    def _call(self, kind: Kind, function: Callable[..., Any], needed: Kind, nodes: Sequence[ast.expr]) -> _Term:
        inner = [self._expect(needed, node) for node in nodes]
        return kind, lambda columns: function(*(evaluate(columns) for evaluate in inner))

    def _function(self, name: str, arguments: Sequence[ast.expr]) -> _Term:
        if name not in FUNCTIONS:
            raise InvalidSpaceError(f"unknown function {name!r}; known are {_functions()}")
        fewest, most, function = FUNCTIONS[name]
        if len(arguments) < fewest or (most is not None and len(arguments) > most):
            number = str(fewest) if most == fewest else f"at least {fewest}"
            raise InvalidSpaceError(f"{name} takes {number} arguments, got {len(arguments)}")
        return self._call("number", function, "number", arguments)

    def _comparison(self, nodes: Sequence[ast.expr], operators: Sequence[ast.cmpop]) -> _Term:
        links = [self._link(*link) for link in zip(nodes[:-1], operators, nodes[1:], strict=True)]
        return "boolean", lambda columns: _folded(np.logical_and)(*(link(columns) for link in links))

    def _link(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Callable[[Columns], Any]:
        if type(operator) in _ORDER:
            return self._call("boolean", _ORDER[type(operator)], "number", [left, right])[1]
        if isinstance(operator, ast.Eq | ast.NotEq):
            return _negated(self._equal(left, right), isinstance(operator, ast.NotEq))
        if (
            isinstance(operator, ast.In | ast.NotIn)
            and isinstance(right, ast.List | ast.Tuple | ast.Set)
            and right.elts
        ):
            equals = [self._equal(left, element) for element in right.elts]
            return _negated(
                lambda columns: _folded(np.logical_or)(*(equal(columns) for equal in equals)),
                isinstance(operator, ast.NotIn),
            )
        raise InvalidSpaceError(f"{ast.unparse(right)!r} is not allowed there; compare with ==, or use in with a list")

    def _equal(self, left: ast.expr, right: ast.expr) -> Callable[[Columns], Any]:
        (left_kind, first), (right_kind, second) = self.term(left), self.term(right)
        if left_kind != right_kind and "json" not in (left_kind, right_kind):
            raise InvalidSpaceError(
                f"{ast.unparse(left)!r} is a {left_kind} and never equals the {right_kind} {ast.unparse(right)!r}"
            )
        self._check_option(left, right)
        self._check_option(right, left)
        return lambda columns: np.equal(first(columns), second(columns))

    def _check_option(self, named: ast.expr, constant: ast.expr) -> None:
        # A misspelt option would make the comparison false everywhere, without a word.
        name = _dotted(named)
        if name in self.domains and isinstance(constant, ast.Constant) and isinstance(constant.value, str):
            try:
                self.domains[name].encode([constant.value])
            except InvalidSpaceError as error:
                raise InvalidSpaceError(f"{name}: {error}") from None


def _constant(value: object) -> _Term:
    if isinstance(value, bool):
        return "boolean", lambda columns: np.bool_(value)
    if isinstance(value, int | float):
        number = np.float64(value)
        return "number", lambda columns: number
    if isinstance(value, str):
        return "string", lambda columns: value
    if value is None:
        return "json", lambda columns: None
    raise InvalidSpaceError(f"{value!r} is not allowed; use numbers and strings")


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ast.unparse(node)


def _folded(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *values: reduce(function, values)


def _negated(evaluate: Callable[[Columns], Any], negate: bool) -> Callable[[Columns], Any]:
    return (lambda columns: np.logical_not(evaluate(columns))) if negate else evaluate


def _functions() -> str:
    return ", ".join(FUNCTIONS)
