"""Domains of listed values: choice, ordinal and constant."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .bounds import Condition, checked_condition
from .errors import InvalidSpaceError
from .shares import middle_of, position_in, spread
from .values import Units, Value, Values, ValueType, checked_value, column, common_type, identity, show


@dataclass(frozen=True, slots=True)
class _Options:
    """The common part of listed options, whether or not their order means anything."""

    options: Sequence[Value]
    when: Condition = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", _checked_options(type(self).__name__.lower(), self.options))
        object.__setattr__(self, "when", checked_condition(self.when))

    @property
    def value_type(self) -> ValueType:
        """The narrowest type that holds all options."""
        return common_type(self.options)

    @property
    def is_constant(self) -> bool:
        """True where there is a single option."""
        return len(self.options) == 1

    @property
    def size(self) -> int:
        """Number of options."""
        return len(self.options)

    def decode(self, unit: Units) -> npt.NDArray[Any]:
        """Options at numbers in [0, 1]."""
        return column(self.options, self.value_type)[self.position(unit)]

    def encode(self, values: Values) -> Units:
        """Numbers in [0, 1] of options.

        Raises:
            InvalidSpaceError: A value is none of the options.
        """
        return _middles(self.options, values)

    def position(self, unit: Units) -> npt.NDArray[np.int64]:
        """Index of the option at numbers in [0, 1], from 0."""
        return position_in(unit, self.size)

    def snap(self, unit: Units) -> Units:
        """The numbers in [0, 1] that encode gives for the options at these: the middles of their shares."""
        return middle_of(self.position(unit), self.size)


@dataclass(frozen=True, slots=True)
class Choice(_Options):
    """One of several options, whose order means nothing.

    Every option has the same share of [0, 1]: decode(u) = options[floor(u * n)], and encode gives the middle of the
    share. A grid holds every option, whatever its number of points.

    Attributes:
        options: One or more different JSON values. Numbers of both kinds become floats.
        when: Values of other hyperparameters at which this one is active; None: always.

    Raises:
        InvalidSpaceError: There are no options, two are equal, or one is no JSON value.
    """

    def grid(self, points: int) -> Units:
        """Numbers in [0, 1] of every option."""
        return middle_of(np.arange(self.size), self.size)


@dataclass(frozen=True, slots=True)
class Ordinal(_Options):
    """One of several options in a meaningful order, such as batch sizes or a small, a medium and a large model.

    Every option has the same share of [0, 1]: decode(u) = options[floor(u * n)], and encode gives the middle of the
    share. It differs from `Choice` in that neighbours are taken to be alike, and that a grid may leave options out.

    Attributes:
        options: One or more different JSON values, in order. Numbers of both kinds become floats.
        when: Values of other hyperparameters at which this one is active; None: always.

    Raises:
        InvalidSpaceError: There are no options, two are equal, or one is no JSON value.
    """

    def grid(self, points: int) -> Units:
        """At most `points` numbers in [0, 1] of different options, evenly spread, both ends included."""
        return np.unique(middle_of(self.position(spread(min(points, self.size))), self.size))


@dataclass(frozen=True, slots=True)
class Constant:
    """A fixed value. It is part of every configuration and has no column in the unit cube; encode gives 1/2.

    Attributes:
        value: A JSON value.
        when: Values of other hyperparameters at which this one is active; None: always.

    Raises:
        InvalidSpaceError: The value is no JSON value.
    """

    value: Value
    when: Condition = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", checked_value(self.value))
        object.__setattr__(self, "when", checked_condition(self.when))

    @property
    def value_type(self) -> ValueType:
        """The type of the value."""
        return common_type([self.value])

    @property
    def is_constant(self) -> bool:
        """True: there is always a single value."""
        return True

    @property
    def size(self) -> int:
        """Number of values: 1."""
        return 1

    def decode(self, unit: Units) -> npt.NDArray[Any]:
        """The value, as often as there are numbers."""
        return column([self.value], self.value_type)[self.position(unit)]

    def encode(self, values: Values) -> Units:
        """1/2 for each value.

        Raises:
            InvalidSpaceError: A value is another one.
        """
        return _middles([self.value], values)

    def position(self, unit: Units) -> npt.NDArray[np.int64]:
        """Zeros."""
        return position_in(unit, 1)

    def snap(self, unit: Units) -> Units:
        """1/2 for each number."""
        return middle_of(self.position(unit), 1)

    def grid(self, points: int) -> Units:
        """1/2."""
        return np.array([0.5])


def _checked_options(kind: str, options: object) -> tuple[Value, ...]:
    if not isinstance(options, Iterable) or isinstance(options, str | bytes | Mapping):
        raise InvalidSpaceError(f"{kind} needs a list of options, got {show(options)}")
    values = tuple(checked_value(option) for option in options)
    if not values:
        raise InvalidSpaceError(f"{kind} needs at least one option, got {show(options)}")
    seen: set[object] = set()
    for value in values:
        if identity(value) in seen:
            raise InvalidSpaceError(f"{kind} needs different options, got {show(value)} more than once")
        seen.add(identity(value))
    return values


def _middles(options: Sequence[Value], values: Values) -> Units:
    positions = {identity(option): position for position, option in enumerate(options)}
    try:
        found = [positions[identity(value)] for value in values]
    except KeyError:
        other = next(value for value in values if identity(value) not in positions)
        raise InvalidSpaceError(f"{show(other)} is none of {show(list(options))}") from None
    return middle_of(np.array(found, dtype=np.int64), len(options))
