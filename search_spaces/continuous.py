"""Domains of real numbers: uniform, log and inverse log."""

from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from .bounds import Condition, checked_bounds, checked_condition, floats_within, is_number
from .errors import InvalidSpaceError
from .shares import middle_of, position_in, spread
from .values import Units, Values, ValueType, show


@dataclass(frozen=True, slots=True)
class Uniform:
    """Real numbers with the same density everywhere from `low` to `high`, both included.

    Without a step, decode(u) = low + u * (high - low). With a step, the values are low, low + step, ..., high, and each
    has the same share of [0, 1]; encode gives the middle of the share. Values on a step are rounded to the decimals
    of `low` and `step`, so that 0.1 * 3 is 0.3.

    Attributes:
        low: The lowest value.
        high: The highest value; above `low`.
        step: Distance of neighbouring values, a whole fraction of high - low; None for a continuous range.
        when: Values of other hyperparameters at which this one is active; None: always.

    Raises:
        InvalidSpaceError: A bound is not finite, low >= high, or the step does not divide the range.
    """

    low: float
    high: float
    step: float | None = None
    when: Condition = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        low, high = checked_bounds("uniform", self.low, self.high)
        if not np.isfinite(high - low):
            raise InvalidSpaceError(f"uniform needs a finite high - low, got low {low!r} and high {high!r}")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)
        object.__setattr__(self, "step", _checked_step(low, high, self.step))
        object.__setattr__(self, "when", checked_condition(self.when))

    @property
    def value_type(self) -> ValueType:
        """The type of the values: float."""
        return "float"

    @property
    def is_constant(self) -> bool:
        """False: there is never a single value."""
        return False

    @property
    def size(self) -> int | None:
        """Number of values; None without a step."""
        return None if self.step is None else round((self.high - self.low) / self.step) + 1

    def decode(self, unit: Units) -> Units:
        """Values at numbers in [0, 1]; float64."""
        if self.step is None:
            share = np.clip(unit, 0.0, 1.0)
            return np.clip(self.low * (1.0 - share) + self.high * share, self.low, self.high)
        position = self.position(unit)
        values = self.low + position * self.step
        decimals = max(_decimals(self.low), _decimals(self.step))
        if decimals <= 15:
            values = np.round(values, decimals)
        return np.where(position == 0, self.low, np.where(position == (self.size or 1) - 1, self.high, values))

    def encode(self, values: Values) -> Units:
        """Numbers in [0, 1] of values.

        Raises:
            InvalidSpaceError: A value is outside the range or between two steps.
        """
        numbers = floats_within(values, self.low, self.high)
        if self.step is None:
            return _share_of(numbers, self.low, self.high)
        steps = (numbers - self.low) / self.step
        between = np.abs(steps - np.rint(steps)) > _tolerance(self.low, self.high, self.step)
        if between.any():
            raise InvalidSpaceError(
                f"{show(values[int(np.argmax(between))])} is not on a step of {self.step!r} "
                f"from {self.low!r} to {self.high!r}"
            )
        return middle_of(np.rint(steps).astype(np.int64), self.size or 1)

    def position(self, unit: Units) -> npt.NDArray[np.int64]:
        """Index of the value at numbers in [0, 1], from 0; only with a step."""
        return position_in(unit, self.size or 1)

    def snap(self, unit: Units) -> Units:
        """The numbers in [0, 1] that encode gives for the values at these: the middles of their shares with a step."""
        return np.clip(unit, 0.0, 1.0) if self.size is None else middle_of(self.position(unit), self.size)

    def grid(self, points: int) -> Units:
        """At most `points` evenly spread numbers in [0, 1], both ends included."""
        if self.size is None:
            return spread(points)
        return np.unique(middle_of(self.position(spread(min(points, self.size))), self.size))


@dataclass(frozen=True, slots=True)
class _Range:
    """The common part of continuous ranges on a logarithmic axis."""

    low: float
    high: float
    when: Condition = field(default=None, kw_only=True)

    @property
    def value_type(self) -> ValueType:
        """The type of the values: float."""
        return "float"

    @property
    def is_constant(self) -> bool:
        """False: there is never a single value."""
        return False

    @property
    def size(self) -> int | None:
        """Number of values: None, a continuous range."""
        return None

    def position(self, unit: Units) -> npt.NDArray[np.int64]:
        """Zeros: a continuous range has no positions."""
        return position_in(unit, 1)

    def snap(self, unit: Units) -> Units:
        """The same numbers: every one has a value of its own."""
        return np.clip(unit, 0.0, 1.0)

    def grid(self, points: int) -> Units:
        """`points` evenly spread numbers in [0, 1], both ends included."""
        return spread(points)

    def _set_checked(self, low: float, high: float) -> None:
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)
        object.__setattr__(self, "when", checked_condition(self.when))


@dataclass(frozen=True, slots=True)
class Log(_Range):
    """Positive real numbers whose logarithm is uniform: every factor has the same share.

    decode(u) = low * (high / low)^u. Weights & Biases calls this `log_uniform_values`, Keras Tuner
    `sampling="log"`, Vizier `UNIT_LOG_SCALE`, Optuna `log=True`.

    Attributes:
        low: The lowest value, above 0.
        high: The highest value, above `low`.
        when: Values of other hyperparameters at which this one is active; None: always.

    Raises:
        InvalidSpaceError: A bound is not finite, low <= 0 or low >= high.
    """

    def __post_init__(self) -> None:
        low, high = checked_bounds("log", self.low, self.high)
        if low <= 0:
            raise InvalidSpaceError(f"log needs low > 0, got {low!r}; use uniform for ranges that include zero")
        _check_apart("log", low, high, np.log(high) - np.log(low))
        self._set_checked(low, high)

    def decode(self, unit: Units) -> Units:
        """Values at numbers in [0, 1]; float64."""
        first, last = np.log(self.low), np.log(self.high)
        return _pinned(unit, np.exp(first + np.clip(unit, 0.0, 1.0) * (last - first)), self.low, self.high)

    def encode(self, values: Values) -> Units:
        """Numbers in [0, 1] of values.

        Raises:
            InvalidSpaceError: A value is outside the range.
        """
        return _share_of(np.log(floats_within(values, self.low, self.high)), np.log(self.low), np.log(self.high))


@dataclass(frozen=True, slots=True)
class InverseLog(_Range):
    """Real numbers x below 1 whose distance from 1 is uniform on a log scale, as for momentum or Adam's betas.

    decode(u) = 1 - (1 - low) * ((1 - high) / (1 - low))^u. For [0.9, 0.999], 0.9 to 0.99 and 0.99 to 0.999 have
    half of [0, 1] each.

    Names alike elsewhere mean other things. The `inv_log_uniform_values` of Weights & Biases draws 1/x log-uniformly,
    which is the same as x log-uniform. The `reverse_log` of Keras Tuner and Vizier's `UNIT_REVERSE_LOG_SCALE`
    reflect the range, x = low + high - (a log-uniform number), which gives 0.99 to 0.999 only 9.5 % of [0.9, 0.999].
    Syne Tune's `reverseloguniform` is this domain.

    Attributes:
        low: The lowest value.
        high: The highest value, above `low` and below 1.
        when: Values of other hyperparameters at which this one is active; None: always.

    Raises:
        InvalidSpaceError: A bound is not finite, high >= 1 or low >= high.
    """

    def __post_init__(self) -> None:
        low, high = checked_bounds("inverse_log", self.low, self.high)
        if high >= 1:
            raise InvalidSpaceError(
                f"inverse_log needs high < 1, got {high!r}; use uniform for ranges that include one"
            )
        _check_apart("inverse_log", low, high, np.log1p(-low) - np.log1p(-high))
        self._set_checked(low, high)

    def decode(self, unit: Units) -> Units:
        """Values at numbers in [0, 1]; float64."""
        first, last = np.log1p(-self.low), np.log1p(-self.high)
        return _pinned(unit, -np.expm1(first + np.clip(unit, 0.0, 1.0) * (last - first)), self.low, self.high)

    def encode(self, values: Values) -> Units:
        """Numbers in [0, 1] of values.

        Raises:
            InvalidSpaceError: A value is outside the range.
        """
        logs = np.log1p(-floats_within(values, self.low, self.high))
        return _share_of(logs, np.log1p(-self.low), np.log1p(-self.high))


def _share_of(values: Units, first: float, last: float) -> Units:
    share: Units = np.clip((values - first) / (last - first), 0.0, 1.0)
    return share


def _pinned(unit: Units, values: Units, low: float, high: float) -> Units:
    # Rounding in exp may miss a bound by an ulp; the ends must be the bounds that were given.
    return np.where(unit <= 0.0, low, np.where(unit >= 1.0, high, np.clip(values, low, high)))


def _check_apart(kind: str, low: float, high: float, distance: float) -> None:
    if distance <= 0:
        raise InvalidSpaceError(f"{kind} needs bounds whose logarithms differ, got low {low!r} and high {high!r}")


def _checked_step(low: float, high: float, step: object) -> float | None:
    if step is None:
        return None
    if not is_number(step) or not 0 < step <= (high - low) * (1 + 1e-6):
        raise InvalidSpaceError(f"uniform needs 0 < step <= high - low, which is {high - low!r}, got {show(step)}")
    number = float(step)
    steps = (high - low) / number
    if steps > 2**31 or _tolerance(low, high, number) > 1e-3:
        raise InvalidSpaceError(f"uniform needs a larger step for {low!r} to {high!r}, got {number!r}; leave step out")
    if abs(steps - round(steps)) > _tolerance(low, high, number):
        reached = low + int(steps) * number
        raise InvalidSpaceError(
            f"uniform needs a step that divides high - low, got step {number!r} for {low!r} to {high!r}; "
            f"whole steps end at {reached:.12g} or {reached + number:.12g}"
        )
    return number


def _tolerance(low: float, high: float, step: float) -> float:
    """The distance from a whole number of steps, in steps, at which rounding may put a value on a step."""
    return 1e-6 + 4.0 * float(np.spacing(max(abs(low), abs(high)))) / step


def _decimals(number: float) -> int:
    exponent = Decimal(repr(number)).normalize().as_tuple().exponent
    return max(0, -int(exponent))
