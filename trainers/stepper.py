"""Training by a class: each call of its `step` is a step."""

from pathlib import Path
from typing import Any

from .errors import TrainerError
from .metrics import to_metrics
from .randomness import seed_generators
from .tracking import TrackedObjects
from .trial import Trial

STEPPER_METHODS = ("step", "state_dict", "load_state_dict")
"""The methods of every trainer class, besides a constructor that takes the trial."""


class StepperTraining:
    """An open trial of a trainer class. It implements `Training`."""

    def __init__(self, trainer_class: type[Any], name: str, trial: Trial, tracked: TrackedObjects) -> None:
        self._class = trainer_class
        self._name = name
        self._trial = trial
        self._tracked = tracked
        self._trainer: Any = None

    def begin(self, stop: int) -> None:
        """Does nothing: an object whose `step` is not called waits."""

    def step(self) -> dict[str, float] | None:
        """Calls the object's `step`, making and restoring the object before the first one."""
        if self._trainer is None:
            self._trainer = self._build()
        number = self._trial.step + 1
        self._trial.current = number
        seed_generators(self._trial.seed, number)
        report = self._trainer.step()
        if report is None:
            self._check_reported()
            return None
        metrics = to_metrics(report, self._name)
        self._trial.step = number
        return metrics

    @property
    def stateful(self) -> bool:
        """True where anything is tracked."""
        return len(self._tracked) > 0

    def save(self, directory: Path) -> bool:
        """Writes the object's `state_dict` and whatever it tracks."""
        return self._tracked.save(directory)

    def close(self) -> None:
        """Calls the object's `close`, if it has one."""
        close = getattr(self._trainer, "close", None)
        if callable(close):
            close()

    def _check_reported(self) -> None:
        if self._trial.step == 0:
            raise TrainerError(f"{self._name}.step() returned None before the first report: it has to return metrics")

    def _build(self) -> object:
        seed_generators(self._trial.seed, 0)
        trainer = self._class(self._trial)
        self._trial.track(trainer=trainer)
        self._tracked.check_restored()
        return trainer
