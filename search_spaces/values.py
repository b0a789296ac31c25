"""Values of hyperparameters: what JSON can hold, compared and typed the way JSON and Parquet do."""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from .errors import InvalidSpaceError

Value: TypeAlias = float | int | str | bool | list["Value"] | dict[str, "Value"] | None
"""A JSON value."""

ValueType: TypeAlias = Literal["float", "integer", "string", "boolean", "json"]
"""The type of a hyperparameter's column; `json` is everything that no other type holds."""

Units: TypeAlias = npt.NDArray[np.float64]
"""Numbers in [0, 1], one a configuration."""

Values: TypeAlias = Sequence[Value] | npt.NDArray[Any]
"""A column of values, as a sequence or an array."""


def show(value: object, most: int = 80) -> str:
    """`value` as error messages print it, in one line of at most `most` characters; this never raises."""
    try:
        return cut(" ".join(line.strip() for line in repr(plain(value)).split("\n")), most)
    except Exception:  # a number with too many digits, a list that is nested too deeply, a person's own __repr__
        return f"something of type {type(value).__name__} that cannot be printed"


def cut(text: str, most: int = 80) -> str:
    """`text` as error messages quote it, cut off after `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def plain(value: object) -> object:
    """`value` with Python's numbers and strings in the place of numpy's scalars, inside of lists and mappings too.

    A value that is nested too deeply for that stays as it is.
    """
    try:
        return _plain(value)
    except RecursionError:
        return value


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if type(value) is list or type(value) is tuple:
        return type(value)(_plain(item) for item in value)
    return value


def checked_value(value: object) -> Value:
    """A private copy of `value` made of plain JSON types; tuples become lists, numpy scalars Python numbers.

    Raises:
        InvalidSpaceError: `value` is no JSON value, or one that UTF-8 or 64-bit columns cannot hold.
    """
    try:
        return _checked(value)
    except RecursionError:
        raise InvalidSpaceError(f"a value must not be nested that deeply, got {show(value)}") from None


def _checked(value: object) -> Value:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _checked_text(value)
    if isinstance(value, int | float):
        return _checked_number(value)
    if isinstance(value, Mapping):
        return {_checked_key(key): _checked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_checked(item) for item in value]
    raise InvalidSpaceError(
        f"a value must be a number, string, boolean, null, list or object of JSON, got {show(value)}"
    )


def _checked_text(text: str) -> str:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidSpaceError(f"a string must be valid UTF-8 without NUL characters, got {show(text)}")
    return text


def _checked_number(number: float) -> float:
    if isinstance(number, int) and not -(2**63) <= number < 2**63:
        raise InvalidSpaceError(f"a whole number must fit in 64 bits, got {show(number)}")
    if not isfinite(number):
        raise InvalidSpaceError(f"a number must be finite, got {number!r}")
    return number


def _checked_key(key: object) -> str:
    if not isinstance(key, str):
        raise InvalidSpaceError(f"the keys of an object must be strings, got {show(key)}")
    return _checked_text(key)


def identity(value: object) -> object:
    """A hashable that is equal for two values exactly when JSON calls them equal: 1 is 1.0 but not true."""
    if isinstance(value, bool | np.bool_):
        return "boolean", bool(value)
    if isinstance(value, list | tuple):
        return "list", tuple(identity(item) for item in value)
    if isinstance(value, Mapping):
        return "object", frozenset((key, identity(item)) for key, item in value.items())
    if value is None or isinstance(value, str | int | float | np.generic):
        return value
    return "no JSON value", id(value)


def common_type(values: Iterable[Value]) -> ValueType:
    """The narrowest type of a column that holds all `values`; a null among others makes it `json`."""
    types = {type(value) for value in values}
    if types == {bool}:
        return "boolean"
    if types == {int}:
        return "integer"
    if types <= {int, float}:
        return "float"
    return "string" if types == {str} else "json"


def column(values: Sequence[Value], value_type: ValueType) -> npt.NDArray[Any]:
    """`values` as an array of the dtype of `value_type`; object dtype for `json`."""
    if value_type != "json":
        return np.array(values, dtype={"float": np.float64, "integer": np.int64}.get(value_type))
    array = np.empty(len(values), dtype=object)
    for position, value in enumerate(values):
        array[position] = value
    return array
