"""Learning-rate schedules: values that are called with an epoch and give its learning rate.

They have no state. Training code sets the rate from them, once an epoch or before each update::

    for group in optimizer.param_groups:
        group["lr"] = schedule(epoch + update / updates_per_epoch)
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

from ...errors import TrainerError

Schedule = Callable[[float], float]
"""From an epoch to its learning rate. Epochs count from 0 and may be fractions; none is negative."""


class _Checked:
    """A dataclass whose numbers are in the ranges of `_ALLOWED`; None stands for a setting that is not given."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if field.name in _ALLOWED and value is not None:
                allows, allowed = _ALLOWED[field.name]
                if not allows(value):
                    raise TrainerError(f"{field.name} of a learning-rate schedule is {value!r}: it has to be {allowed}")


@dataclass(frozen=True, slots=True)
class Constant(_Checked):
    """The same rate in every epoch.

    Attributes:
        lr: Above 0.
    """

    lr: float

    def __call__(self, epoch: float) -> float:
        """The rate of an epoch."""
        return self.lr


@dataclass(frozen=True, slots=True)
class InverseTime(_Checked):
    """The rate lr / (1 + decay * epoch), which Robbins and Monro (1951) show to converge.

    Attributes:
        lr: The first rate, above 0.
        decay: At least 0; the rate is halved when decay * epoch = 1.
    """

    lr: float
    decay: float

    def __call__(self, epoch: float) -> float:
        """The rate of an epoch."""
        return self.lr / (1 + self.decay * epoch)


@dataclass(frozen=True, slots=True)
class Exponential(_Checked):
    """The rate lr * factor ** epoch; `torch.optim.lr_scheduler.ExponentialLR` with gamma = factor.

    Attributes:
        lr: The first rate, above 0.
        factor: The multiplier of the rate from epoch to epoch; above 0, at most 1.
    """

    lr: float
    factor: float

    def __call__(self, epoch: float) -> float:
        """The rate of an epoch."""
        return self.lr * math.pow(self.factor, epoch)


@dataclass(frozen=True, slots=True)
class InverseSquareRoot(_Checked):
    """The rate lr * k / sqrt(epoch + 1): the usual k / sqrt(t) with t from 1, so that the first epoch's is finite.

    The step size 1 / sqrt(t) has the regret bound of Zinkevich (2003), "Online convex programming".

    Attributes:
        lr: The first rate where k is 1; above 0.
        k: Above 0.
    """

    lr: float
    k: float = 1.0

    def __call__(self, epoch: float) -> float:
        """The rate of an epoch."""
        return self.lr * self.k / math.sqrt(epoch + 1)


@dataclass(frozen=True, slots=True)
class Staircase(_Checked):
    """The rate is multiplied by a factor at equal distances; `torch.optim.lr_scheduler.StepLR`.

    Attributes:
        lr: The first rate, above 0.
        factor: Above 0, at most 1.
        every: Epochs between two steps, above 0.
    """

    lr: float
    factor: float
    every: float

    def __call__(self, epoch: float) -> float:
        """The rate of an epoch."""
        return self.lr * math.pow(self.factor, epoch // self.every)


@dataclass(frozen=True, slots=True)
class Cosine(_Checked):
    """Half a cosine from lr to final * lr, which then holds.

    Loshchilov and Hutter (2017), "SGDR: stochastic gradient descent with warm restarts", eq. 5, without the restarts.

    Attributes:
        lr: The first rate, above 0.
        epochs: The length of the fall, above 0.
        final: The last rate as a share of the first, from 0 to 1.
    """

    lr: float
    epochs: float
    final: float = 0.0

    def __call__(self, epoch: float) -> float:
        """The rate of an epoch."""
        done = min(epoch / self.epochs, 1.0)
        return self.lr * (self.final + (1 - self.final) * (1 + math.cos(math.pi * done)) / 2)


@dataclass(frozen=True, slots=True)
class Table(_Checked):
    """Rates that a person chose: each holds from its epoch to that of the next, the last one for ever.

    Attributes:
        table: The rate of each epoch; epoch 0 is among them, every rate is at least 0.
        lr: The multiplier of the table's rates, above 0.
    """

    table: Mapping[float, float]
    lr: float = 1.0

    def __call__(self, epoch: float) -> float:
        """The rate of an epoch."""
        return self.lr * self.table[max(start for start in self.table if start <= epoch)]


@dataclass(frozen=True, slots=True)
class WarmUp(_Checked):
    """A linear rise to the first rate of another schedule, which begins when the rise is over.

    Goyal et al. (2017), "Accurate, large minibatch SGD", section 2.2. Unless `start` is above 0, the rate at epoch 0
    is 0: code that sets the rate once an epoch learns nothing in its first one, so set it before each update.

    Attributes:
        schedule: The schedule that follows; its epoch 0 is the end of the warm-up.
        warmup: Epochs of the rise, at least 0; fractions are allowed.
        start: The rate of epoch 0 as a share of the first rate that follows, from 0 to 1.
    """

    schedule: Schedule
    warmup: float
    start: float = 0.0

    def __call__(self, epoch: float) -> float:
        """The rate of an epoch."""
        if epoch >= self.warmup:
            return self.schedule(epoch - self.warmup)
        return self.schedule(0.0) * (self.start + (1 - self.start) * epoch / self.warmup)


@dataclass(frozen=True, slots=True)
class ScheduleSettings(_Checked):
    """Settings of `make_schedule` beside a name and a rate. Those that a schedule does not have are not used.

    Attributes:
        decay: The decay of inverse_time.
        factor: The factor of exponential and staircase.
        every: The epochs on a stair of staircase.
        k: The k of inverse_sqrt.
        epochs: The length of the whole training, warm-up included, for cosine.
        final: The last rate of cosine, as a share of the rate.
        table: The rates of table, as multiples of the rate.
        warmup: Epochs of linear warm-up in front of any schedule; 0 for none.
        start: The start of the warm-up.
    """

    decay: float | None = None
    factor: float | None = None
    every: float | None = None
    k: float = 1.0
    epochs: float | None = None
    final: float = 0.0
    table: Mapping[float, float] | None = None
    warmup: float = 0.0
    start: float = 0.0


def make_schedule(name: str, lr: float, settings: ScheduleSettings | None = None) -> Schedule:
    """The schedule of a name, with a warm-up in front of it where the settings have one.

    Args:
        name: One of `SCHEDULES`.
        lr: The first rate, or the one at the end of the warm-up; above 0.
        settings: Holds what the schedule needs.

    Raises:
        TrainerError: There is no such schedule, it lacks a setting, or a number is out of range.
    """
    settings = settings or ScheduleSettings()
    if name not in _MAKERS:
        raise TrainerError(f"the learning-rate schedule is {name!r}: it can be {', '.join(SCHEDULES)}")
    needed = _NEEDED.get(name, ())
    missing = [field for field in needed if getattr(settings, field) is None]
    if missing:
        raise TrainerError(f"the learning-rate schedule {name!r} needs {' and '.join(missing)}")
    schedule = _MAKERS[name](lr, settings)
    return WarmUp(schedule, settings.warmup, settings.start) if settings.warmup else schedule


def _cosine(lr: float, settings: Any) -> Schedule:
    if settings.warmup >= settings.epochs:
        raise TrainerError(
            f"warmup of a learning-rate schedule is {settings.warmup!r}: it has to be below epochs, {settings.epochs!r}"
        )
    return Cosine(lr, settings.epochs - settings.warmup, settings.final)


_MAKERS: dict[str, Callable[[float, Any], Schedule]] = {
    "constant": lambda lr, _: Constant(lr),
    "inverse_time": lambda lr, settings: InverseTime(lr, settings.decay),
    "exponential": lambda lr, settings: Exponential(lr, settings.factor),
    "inverse_sqrt": lambda lr, settings: InverseSquareRoot(lr, settings.k),
    "staircase": lambda lr, settings: Staircase(lr, settings.factor, settings.every),
    "cosine": _cosine,
    "table": lambda lr, settings: Table(settings.table, lr),
}

_NEEDED: dict[str, tuple[str, ...]] = {
    "inverse_time": ("decay",),
    "exponential": ("factor",),
    "staircase": ("factor", "every"),
    "cosine": ("epochs",),
    "table": ("table",),
}

SCHEDULES: tuple[str, ...] = tuple(_MAKERS)
"""The names that `make_schedule` knows."""


def _positive(value: Any) -> bool:
    return _at_least_zero(value) and value != 0


def _at_least_zero(value: Any) -> bool:
    return isinstance(value, Real) and 0 <= float(value) < math.inf


def _share(value: Any) -> bool:
    return isinstance(value, Real) and 0 <= float(value) <= 1


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) and 0 in value and all(map(_at_least_zero, [*value, *value.values()]))


_ALLOWED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "lr": (_positive, "a finite number above 0"),
    "decay": (_at_least_zero, "a finite number of at least 0"),
    "factor": (lambda value: _share(value) and value != 0, "above 0 and at most 1"),
    "every": (_positive, "a finite number of epochs above 0"),
    "k": (_positive, "a finite number above 0"),
    "epochs": (_positive, "a finite number of epochs above 0"),
    "final": (_share, "from 0 to 1"),
    "table": (_is_table, "a mapping from epochs, 0 among them, to finite numbers of at least 0"),
    "warmup": (_at_least_zero, "a finite number of epochs of at least 0"),
    "start": (_share, "from 0 to 1"),
}
