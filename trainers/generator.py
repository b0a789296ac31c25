"""Training by a generator function: each `yield` is the end of a step."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import TrainerError
from .metrics import to_metrics
from .randomness import seed_generators
from .tracking import TrackedObjects
from .trial import Trial


class GeneratorTraining:
    """An open trial of a generator function. It implements `Training`."""

    def __init__(
        self, function: Callable[[Trial], Iterator[Any]], name: str, trial: Trial, tracked: TrackedObjects
    ) -> None:
        self._function = function
        self._name = name
        self._trial = trial
        self._tracked = tracked
        self._step = trial.step
        self._generator: Iterator[Any] | None = None
        self._gradients = True

    def begin(self, stop: int) -> None:
        """Does nothing: a generator that is not advanced waits at its `yield`."""

    def step(self) -> dict[str, float] | None:
        """Runs the function to its next `yield`."""
        try:
            report = self._advance()
        except StopIteration:
            self._check_reported()
            return None
        self._tracked.check_restored()
        if "torch" in sys.modules:
            _switches().check_switches(self._name)
        metrics = to_metrics(report, self._name)
        self._count()
        return metrics

    @property
    def stateful(self) -> bool:
        """True where anything is tracked."""
        return len(self._tracked) > 0

    def save(self, directory: Path) -> bool:
        """Writes the tracked objects."""
        return self._tracked.save(directory)

    def close(self) -> None:
        """Raises `GeneratorExit` at the `yield` where the function waits, so that its `finally` blocks run."""
        if self._generator is not None and hasattr(self._generator, "close"):
            self._generator.close()

    def _advance(self) -> object:
        if self._generator is None:
            seed_generators(self._trial.seed, 0)
            self._generator = _started(self._function(self._trial), self._name)
        elif self._trial.current is None:
            seed_generators(self._trial.seed, self._step + 1)
        return self._next(self._generator)

    def _next(self, generator: Iterator[Any]) -> object:
        """Runs to the next `yield`, with torch's switches of this thread as they were at the last one."""
        if not self._gradients:
            _switches().resume_switches()
        try:
            return next(generator)
        finally:
            if "torch" in sys.modules:
                self._gradients = _switches().suspend_switches()

    def _check_reported(self) -> None:
        if self._step == 0:
            raise TrainerError(f"{self._name} ended without a report: it has to yield its metrics after each step")

    def _count(self) -> None:
        self._step += 1
        current = self._trial.current
        if current is not None and current != self._step:
            raise TrainerError(
                f"{self._name} made report {self._step} in step {current}: it has to yield exactly once for each "
                "number of trial.steps()"
            )
        self._trial.step = self._step


def _switches() -> ModuleType:
    """The module for torch's switches, imported only where training code has imported torch."""
    from .pytorch import switches  # noqa: PLC0415

    return switches


def _started(generator: object, name: str) -> Iterator[Any]:
    if not isinstance(generator, Iterator):
        raise TrainerError(
            f"{name} returned a {type(generator).__name__}: a training function is a generator function, which yields "
            "its metrics after each step"
        )
    return generator
