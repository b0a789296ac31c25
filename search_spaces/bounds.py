"""Checks that domains share: bounds, columns of numbers, and the form of a condition."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, TypeAlias, TypeGuard

import numpy as np

from .errors import InvalidSpaceError
from .values import Units, Value, Values, checked_value, cut, show

Condition: TypeAlias = Mapping[str, Sequence[Value]] | None
"""Names of other hyperparameters with the values at which this one is active; None: always active."""


def is_number(value: object) -> TypeGuard[float]:
    """True for a number of Python or numpy that is no boolean."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def is_whole(value: object) -> TypeGuard[int]:
    """True for a whole number of Python or numpy that is no boolean."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_finite(value: object) -> TypeGuard[float]:
    """True for a number that a float can hold, and that is neither NaN nor an infinity."""
    try:
        return is_number(value) and isfinite(value)
    except OverflowError:
        return False


def checked_bounds(kind: str, low: object, high: object) -> tuple[float, float]:
    """`low` and `high` as floats.

    Raises:
        InvalidSpaceError: One is not a finite number, or low >= high.
    """
    for name, bound in (("low", low), ("high", high)):
        if not is_finite(bound):
            raise InvalidSpaceError(f"{kind} needs a finite number for {name}, got {show(bound)}")
    first, last = float(low), float(high)  # type: ignore[arg-type]
    if first >= last:
        raise InvalidSpaceError(
            f"{kind} needs low < high, got low {show(low)} and high {show(high)}; use constant for a single value"
        )
    return first, last


def floats(values: Values) -> Units:
    """`values` as float64.

    Raises:
        InvalidSpaceError: One of them is not a number.
    """
    if not (isinstance(values, np.ndarray) and values.dtype.kind in "iuf"):
        for value in values:
            if not is_number(value):
                raise InvalidSpaceError(f"{show(value)} is not a number")
    try:
        return np.asarray(values, dtype=np.float64)
    except OverflowError:
        large = next(value for value in values if not is_finite(value))
        raise InvalidSpaceError(f"{show(large)} is too large for a number") from None


def floats_within(values: Values, low: float, high: float) -> Units:
    """`values` as float64, all of them in [low, high].

    Raises:
        InvalidSpaceError: One of them is not a number, or outside the range.
    """
    numbers = floats(values)
    outside = ~((numbers >= low) & (numbers <= high))
    if outside.any():
        raise InvalidSpaceError(f"{show(values[int(np.argmax(outside))])} is outside the range {low!r} to {high!r}")
    return numbers


def checked_condition(when: Any) -> dict[str, tuple[Value, ...]] | None:
    """`when` as names with tuples of values; None when it is empty.

    Raises:
        InvalidSpaceError: It is not a mapping of names to non-empty lists of values.
    """
    if not when:
        return None
    if not isinstance(when, Mapping):
        raise InvalidSpaceError(f"when needs a mapping of names to lists of values, got {show(when)}")
    return {str(name): _checked_values(cut(str(name)), values) for name, values in when.items()}


def _checked_values(name: object, values: object) -> tuple[Value, ...]:
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise InvalidSpaceError(f"when.{name} needs a list of one or more values, got {show(values)}")
    return tuple(checked_value(value) for value in values)
