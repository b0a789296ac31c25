"""The written forms of domains, as in `lr: {log: [1.0e-4, 1.0]}`: parsed, written and published as a JSON Schema."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Set
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    Strict,
    StrictBool,
    StrictInt,
    ValidationError,
    WithJsonSchema,
)

from .continuous import InverseLog, Log, Uniform
from .domain import Domain
from .errors import InvalidSpaceError
from .integer import Integer
from .options import Choice, Constant, Ordinal
from .values import cut, plain, show

NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.-]*$"
"""Names of hyperparameters: they become columns and keys in files."""

_Json: TypeAlias = Annotated[JsonValue, WithJsonSchema({})]
_Real: TypeAlias = Annotated[float, Strict()]
_Positive: TypeAlias = Annotated[float, Strict(), Field(json_schema_extra={"exclusiveMinimum": 0})]
_BelowOne: TypeAlias = Annotated[float, Strict(), Field(json_schema_extra={"exclusiveMaximum": 1})]
_Options: TypeAlias = Annotated[list[_Json], Field(json_schema_extra={"minItems": 1, "uniqueItems": True})]
_When: TypeAlias = Annotated[
    dict[str, Annotated[list[_Json], Field(json_schema_extra={"minItems": 1})]] | None,
    Field(description="The hyperparameter exists only where each of these has one of the values listed."),
]


class _Form(BaseModel, ABC):
    model_config = ConfigDict(extra="forbid")
    kind: ClassVar[str]
    example: ClassVar[str]
    when: _When = None

    @abstractmethod
    def domain(self) -> Domain: ...


class _UniformForm(_Form):
    """The same density everywhere from low to high."""

    model_config = ConfigDict(title="uniform")
    kind = "uniform"
    example = "{uniform: [low, high]}, with an optional step"
    uniform: Annotated[tuple[_Real, _Real], Field(description="[low, high], both included.")]
    step: Annotated[_Positive | None, Field(description="Distance of neighbouring values.")] = None

    def domain(self) -> Uniform:
        return Uniform(*self.uniform, step=self.step, when=self.when)


class _LogForm(_Form):
    """The logarithm is uniform; low > 0."""

    model_config = ConfigDict(title="log")
    kind = "log"
    example = "{log: [low, high]}"
    log: Annotated[tuple[_Positive, _Real], Field(description="[low, high], both included; low > 0.")]

    def domain(self) -> Log:
        return Log(*self.log, when=self.when)


class _InverseLogForm(_Form):
    """1 - x is uniform on a log scale; high < 1."""

    model_config = ConfigDict(title="inverse_log")
    kind = "inverse_log"
    example = "{inverse_log: [low, high]}"
    inverse_log: Annotated[tuple[_Real, _BelowOne], Field(description="[low, high], both included; high < 1.")]

    def domain(self) -> InverseLog:
        return InverseLog(*self.inverse_log, when=self.when)


class _IntegerForm(_Form):
    """Whole numbers from low to high."""

    model_config = ConfigDict(title="integer")
    kind = "integer"
    example = "{integer: [low, high]}, with an optional log: true"
    integer: Annotated[tuple[StrictInt, StrictInt], Field(description="[low, high], both included.")]
    log: Annotated[StrictBool, Field(description="Whether the scale is logarithmic; then low >= 1.")] = False

    def domain(self) -> Integer:
        return Integer(*self.integer, log=self.log, when=self.when)


class _ChoiceForm(_Form):
    """One of several options, whose order means nothing."""

    model_config = ConfigDict(title="choice")
    kind = "choice"
    example = "{choice: [one, other]}"
    choice: Annotated[_Options, Field(description="The options, all different.")]

    def domain(self) -> Choice:
        return Choice(self.choice, when=self.when)


class _OrdinalForm(_Form):
    """One of several options in a meaningful order."""

    model_config = ConfigDict(title="ordinal")
    kind = "ordinal"
    example = "{ordinal: [least, middle, most]}"
    ordinal: Annotated[_Options, Field(description="The options in order, all different.")]

    def domain(self) -> Ordinal:
        return Ordinal(self.ordinal, when=self.when)


class _ConstantForm(_Form):
    """A fixed value."""

    model_config = ConfigDict(title="constant")
    kind = "constant"
    example = "{constant: value}"
    constant: Annotated[_Json, Field(description="The value.")]

    def domain(self) -> Constant:
        return Constant(self.constant, when=self.when)


_RULES: Mapping[str, str] = {
    "tuple_type": "input should be a list",
    "list_type": "input should be a list",
    "dict_type": "input should be a mapping",
    "missing": "it should have two items",
    "too_long": "it should have two items",
}
"""Pydantic's errors in words for people who write YAML."""

_FORMS: Mapping[str, type[_Form]] = {
    form.kind: form
    for form in (_UniformForm, _LogForm, _InverseLogForm, _IntegerForm, _ChoiceForm, _OrdinalForm, _ConstantForm)
}


def parse_domain(name: str, form: object) -> Domain:
    """The domain that `form` writes; a domain is returned as it is.

    Raises:
        InvalidSpaceError: `form` is no form of a domain, or breaks the rules of its domain; the message names
            `space.<name>`.
    """
    if isinstance(form, Domain):
        return form
    try:
        form = plain(form)
        _check_ordered(form)
        return _form_class(form).model_validate(form).domain()
    except ValidationError as error:
        raise InvalidSpaceError(f"space.{cut(name)}: {_sentence(form, error)}") from None
    except RecursionError:
        raise InvalidSpaceError(f"space.{cut(name)}: needs values that are not nested that deeply") from None
    except InvalidSpaceError as error:
        raise InvalidSpaceError(f"space.{cut(name)}: {error}") from None


def write_domain(domain: Domain) -> dict[str, Any]:
    """The form that `parse_domain` reads back as `domain`."""
    match domain:
        case Uniform():
            form: dict[str, Any] = {"uniform": [domain.low, domain.high]}
            form |= {} if domain.step is None else {"step": domain.step}
        case Log():
            form = {"log": [domain.low, domain.high]}
        case InverseLog():
            form = {"inverse_log": [domain.low, domain.high]}
        case Integer():
            form = {"integer": [domain.low, domain.high]} | ({"log": True} if domain.log else {})
        case Choice():
            form = {"choice": list(domain.options)}
        case Ordinal():
            form = {"ordinal": list(domain.options)}
        case Constant():
            form = {"constant": domain.value}
    if domain.when:
        form["when"] = {name: list(values) for name, values in domain.when.items()}
    return form


def space_schema() -> dict[str, Any]:
    """The JSON Schema of a mapping of names to forms, for editors; it refers to nothing outside itself."""
    return {
        "title": "space",
        "description": "The hyperparameters and what values each may take.",
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": NAME_PATTERN},
        "additionalProperties": {"oneOf": [form.model_json_schema() for form in _FORMS.values()]},
    }


def _check_ordered(form: object) -> None:
    for value in form.values() if isinstance(form, Mapping) else ():
        if isinstance(value, Set):
            raise InvalidSpaceError(f"needs a list, whose order counts, got {show(value)}")


def _form_class(form: object) -> type[_Form]:
    if not isinstance(form, Mapping):
        raise InvalidSpaceError(
            f"needs a domain such as {{log: [1.0e-4, 1.0]}}, got {show(form)}; a fixed value is {{constant: value}}"
        )
    kinds = [kind for kind in _FORMS if kind in form and not (kind == "log" and "integer" in form)]
    if len(kinds) != 1:
        raise InvalidSpaceError(f"needs exactly one of {', '.join(_FORMS)}, got {show(dict(form))}")
    return _FORMS[kinds[0]]


def _sentence(form: object, error: ValidationError) -> str:
    form_class, first = _form_class(form), error.errors()[0]
    place = ".".join(cut(str(part)) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{form_class.kind} has no {place!r}; it is written {form_class.example}"
    message = _RULES.get(first["type"], first["msg"][0].lower() + first["msg"][1:])
    return f"{place}: {message}, got {show(first['input'])}; {form_class.kind} is written {form_class.example}"
