"""The recipe: the hyperparameters of training that Caviar itself reads from a lane's configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...errors import TrainerError
from ..parts.schedules import Schedule, ScheduleSettings, make_schedule

OptimizerName = Literal["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"]
ScheduleName = Literal["constant", "inverse_time", "exponential", "inverse_sqrt", "staircase", "cosine", "table"]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "tf32", "bfloat16"]

RECIPE_VARYING = ("schedule", "table", "every", "epochs", "warmup", "patience")
"""Hyperparameters of the recipe that may differ inside a group although they are not floats."""

RECIPE_STATIC = ("optimizer", "batch_size", "device", "precision", "compile")
"""Hyperparameters of the recipe that may never differ inside a group."""


AnySettings = TypeVar("AnySettings", bound="Settings")


class Settings(BaseModel):
    """Hyperparameters that were read from a configuration, frozen and checked strictly."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)

    @classmethod
    def read(cls: "type[AnySettings]", config: Mapping[str, Any]) -> "AnySettings":
        """Reads what the class has fields for, and leaves the rest alone.

        Raises:
            TrainerError: A value is out of its range.
        """
        try:
            return cls.model_validate(dict(config))
        except ValidationError as error:
            first = error.errors()[0]
            rule = first["msg"].replace("Input should", "it should")
            raise TrainerError(f"{'.'.join(map(str, first['loc']))} is {first['input']!r}: {rule}") from None


class Recipe(Settings):
    """The hyperparameters of a lane's training that Caviar reads.

    Attributes:
        optimizer: The update rule; `momentum` and `nesterov` are SGD with a velocity.
        lr: Learning rate before its schedule.
        momentum: Share of the velocity that is kept; beta1 of Adam and AdamW. Not used by sgd, rmsprop and adagrad.
        beta2: Share of the mean square that is kept, in RMSprop, Adam and AdamW.
        eps: Added to the root of the mean square, in Adagrad, RMSprop, Adam and AdamW.
        weight_decay: L2 penalty, added to the gradient; decoupled from it in AdamW.
        clip_norm: The gradient is scaled down to this norm if it is longer; not clipped when absent.
        batch_size: Examples in a step of the optimizer.
        schedule: The change of the learning rate from epoch to epoch; see `make_schedule`.
        decay: For the inverse-time schedule: epoch e, from 0, has the learning rate lr / (1 + decay * e).
        factor: For the exponential schedule and the staircase: an epoch, or a stair, multiplies the rate by it.
        every: For the staircase: epochs on a stair.
        k: For the inverse square root: epoch e, from 0, has the learning rate k * lr / sqrt(e + 1).
        final: For the cosine schedule: the last learning rate as a share of lr.
        epochs: For the cosine schedule: epochs until the last rate; the trial's full resource when absent.
        table: For the table: multiples of lr by epoch, as in "0: 1, 10: 0.1, 20: 0.01".
        warmup: Epochs in which the learning rate rises, from update to update, to that of the schedule.
        patience: Epochs without a better dev loss after which training ends, with the best weights; never when absent.
        device: The device of the tensors; auto takes a GPU if there is one.
        precision: That of matrix products; tf32 and bfloat16 are faster where the device has them, and coarser.
        compile: Whether fused trials run through `torch.compile`, which pays off in long runs of one shape.
    """

    optimizer: OptimizerName = "momentum"
    lr: float = Field(0.01, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    eps: float = Field(1e-8, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    clip_norm: float | None = Field(None, gt=0)
    batch_size: int = Field(64, ge=2)
    schedule: ScheduleName = "inverse_time"
    decay: float = Field(0.0, ge=0)
    factor: float = Field(0.9, gt=0, le=1)
    every: float = Field(10, gt=0)
    k: float = Field(1.0, gt=0)
    final: float = Field(0.0, ge=0, le=1)
    epochs: float | None = Field(None, gt=0)
    table: str | None = None
    warmup: float = Field(0.0, ge=0)
    patience: int | None = Field(None, ge=1)
    device: Device = "auto"
    precision: Precision = "float32"
    compile: bool = False

    def learning_rate(self, resource_max: int) -> "LearningRate":
        """The learning rate of each update.

        Args:
            resource_max: The last epoch that the trial can reach.

        Raises:
            TrainerError: The schedule's settings do not fit together.
        """
        settings = ScheduleSettings(
            decay=self.decay,
            factor=self.factor,
            every=self.every,
            k=self.k,
            epochs=self.epochs or resource_max,
            final=self.final,
            table=None if self.table is None else _table(self.table),
            warmup=self.warmup,
        )
        return LearningRate(make_schedule(self.schedule, self.lr, settings), self.warmup)


@dataclass(frozen=True, slots=True)
class LearningRate:
    """A schedule as training follows it: a rate an epoch, but from update to update in the warm-up.

    Attributes:
        schedule: The schedule over epochs, from 0.
        warmup: Epochs of the warm-up.
    """

    schedule: Schedule
    warmup: float

    def changes_within(self, epoch: int) -> bool:
        """True where the updates of an epoch, from 1, have different rates."""
        return epoch - 1 < self.warmup

    def at(self, epoch: int, done: float) -> float:
        """The rate of an update.

        Args:
            epoch: From 1.
            done: Share of the epoch's updates that are done with this one, above 0 and at most 1.
        """
        if epoch - 1 + done < self.warmup:
            return self.schedule(epoch - 1 + done)
        return self.schedule(max(float(epoch - 1), self.warmup))


def _table(text: str) -> dict[float, float]:
    try:
        pairs = [entry.split(":") for entry in text.split(",")]
        return {float(epoch): float(multiple) for epoch, multiple in pairs}
    except ValueError:
        raise TrainerError(
            f'table is {text!r}: it should be multiples of lr by epoch, as in "0: 1, 10: 0.1, 20: 0.01"'
        ) from None
