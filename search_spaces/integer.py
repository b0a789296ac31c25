"""The domain of whole numbers."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from .bounds import Condition, checked_bounds, checked_condition, floats_within
from .errors import InvalidSpaceError
from .shares import middle_of, position_in, spread
from .values import Units, Values, ValueType, show

_LARGEST = 2**50
_LARGEST_LOG = 2**40


@dataclass(frozen=True, slots=True)
class Integer:
    """Whole numbers from `low` to `high`, both included.

    Every integer has its share of [0, 1], and encode gives the middle of the share. On the linear scale all shares are
    equal: decode(u) = floor(low + u * (high - low + 1)). On the log scale k has the share of the interval from
    k - 1/2 to k + 1/2: decode(u) = round(exp(a + u * (b - a))) with a = log(low - 1/2) and b = log(high + 1/2), so that
    the rounding takes nothing from the ends. Optuna's `log=True` integers have the same shares.

    Attributes:
        low: The lowest value; at least 1 on the log scale.
        high: The highest value; above `low`.
        log: Whether the scale is logarithmic.
        when: Values of other hyperparameters at which this one is active; None: always.

    Raises:
        InvalidSpaceError: A bound is not whole or too large for exact arithmetic (2**50, 2**40 on the log scale),
            low >= high, or low < 1 on the log scale.
    """

    low: int
    high: int
    log: bool = False
    when: Condition = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for name, bound in (("low", self.low), ("high", self.high)):
            if isinstance(bound, bool) or not isinstance(bound, int | np.integer):
                raise InvalidSpaceError(f"integer needs a whole number for {name}, got {show(bound)}")
            largest = _LARGEST_LOG if self.log else _LARGEST
            if abs(bound) > largest:
                raise InvalidSpaceError(f"integer needs {name} within {-largest} to {largest}, got {show(bound)}")
        if not isinstance(self.log, bool):
            raise InvalidSpaceError(f"integer needs true or false for log, got {show(self.log)}")
        checked_bounds("integer", self.low, self.high)
        if self.log and self.low < 1:
            raise InvalidSpaceError(f"integer on a log scale needs low >= 1, got {self.low!r}; leave log out")
        object.__setattr__(self, "low", int(self.low))
        object.__setattr__(self, "high", int(self.high))
        object.__setattr__(self, "when", checked_condition(self.when))

    @property
    def value_type(self) -> ValueType:
        """The type of the values: integer."""
        return "integer"

    @property
    def is_constant(self) -> bool:
        """False: there is never a single value."""
        return False

    @property
    def size(self) -> int:
        """Number of values."""
        return self.high - self.low + 1

    def decode(self, unit: Units) -> npt.NDArray[np.int64]:
        """Values at numbers in [0, 1]; int64."""
        if not self.log:
            return self.low + position_in(unit, self.size)
        first, last = self._ends()
        numbers = np.rint(np.exp(first + np.clip(unit, 0.0, 1.0) * (last - first)))
        return np.clip(numbers, self.low, self.high).astype(np.int64)

    def encode(self, values: Values) -> Units:
        """Numbers in [0, 1] of values; whole floats count as integers.

        Raises:
            InvalidSpaceError: A value is outside the range or not whole.
        """
        numbers = floats_within(values, self.low, self.high)
        fractions = numbers != np.rint(numbers)
        if fractions.any():
            first_bad = show(values[int(np.argmax(fractions))])
            raise InvalidSpaceError(f"{first_bad} is not a whole number in the range {self.low} to {self.high}")
        if not self.log:
            return middle_of((numbers - self.low).astype(np.int64), self.size)
        first, last = self._ends()
        return ((np.log(numbers - 0.5) + np.log(numbers + 0.5)) / 2 - first) / (last - first)

    def position(self, unit: Units) -> npt.NDArray[np.int64]:
        """Index of the value at numbers in [0, 1], from 0."""
        return self.decode(unit) - self.low

    def snap(self, unit: Units) -> Units:
        """The numbers in [0, 1] that encode gives for the values at these: the middles of their shares."""
        return self.encode(self.decode(unit))

    def grid(self, points: int) -> Units:
        """At most `points` numbers in [0, 1] of different integers, evenly spread on the scale, both ends included."""
        if points >= self.size:
            return self.encode(np.arange(self.low, self.high + 1))
        first, last = self.encode([self.low, self.high])
        return self.encode(np.unique(self.decode(first + spread(points) * (last - first))))

    def _ends(self) -> tuple[float, float]:
        return float(np.log(self.low - 0.5)), float(np.log(self.high + 0.5))
