"""The cost of one step of training, measured in this process."""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from math import isfinite
from pathlib import Path

from ...trainers import Trainer, TrainerError, load_trainer, open_training
from ..core.trials.assignment import Assignment
from ..errors import InvalidSpecError
from ..execution.worker.settings import thread_variables
from ..spec.spec import SweepSpec
from .recorded import new_state
from .validate import find_data

_TRIALS = 4
_STEPS = 3
_ENOUGH_S = 30.0


def measure_step_seconds(spec: SweepSpec, directory: Path | None = None, trainer: Trainer | None = None) -> float:
    """Seconds that one step takes, over the first steps of the first configurations of a sweep.

    The first configuration is trained for one step that does not count, because it also reads the data; then come up
    to three configurations with up to three steps each, as far as half a minute allows. Numerical libraries use as
    many threads as in a worker, unless they were loaded before. The output of the code goes to standard error.

    Args:
        spec: The spec.
        directory: The folder where relative paths of the trainer and of the data start; the working directory if None.
        trainer: The training code; the spec's if None.

    Raises:
        InvalidSpecError: There are no such data.
        TrainerError: The training code cannot be used, or it raises.
    """
    with _environment(thread_variables(spec.worker_kinds[0].cpu)), redirect_stdout(sys.stderr):
        code = _loaded(spec, directory) if trainer is None else trainer
        assignments = new_state(spec).decide(_TRIALS)[:_TRIALS]
        if not assignments:
            raise InvalidSpecError("budget: it is too small for a single trial, so there is nothing to measure.")
        data = find_data(spec.data, directory)
        located = spec.model_copy(update={"data": None if data is None else str(data)})
        return _seconds_a_step(code, assignments, located)


def _loaded(spec: SweepSpec, directory: Path | None) -> Trainer:
    if spec.trainer is None:
        raise InvalidSpecError("trainer: this field is missing; name the code to measure, as in train.py:train.")
    return load_trainer(spec.trainer, directory)


def _seconds_a_step(trainer: Trainer, assignments: Sequence[Assignment], spec: SweepSpec) -> float:
    """The mean over the first steps of all trials but the first, which warms up, or of that one where it is alone."""
    first, *others = assignments
    warm_up, _ = _train(trainer, first, spec, 1)
    seconds, steps = 0.0, 0
    for assignment in others or [first]:
        if steps and seconds + warm_up >= _ENOUGH_S:
            break
        taken, trained = _train(trainer, assignment, spec, min(_STEPS, spec.resource.max))
        seconds, steps = seconds + taken, steps + trained
    return seconds / max(1, steps)


def _train(trainer: Trainer, assignment: Assignment, spec: SweepSpec, steps: int) -> tuple[float, int]:
    """Trains the first steps of a trial; returns the seconds and the steps, fewer when it ends or diverges."""
    began, trained = time.perf_counter(), 0
    try:
        training = open_training(
            trainer,
            number=assignment.trial,
            config=assignment.config,
            seed=assignment.seed,
            resource_max=spec.resource.max,
            data=None if spec.data is None else Path(spec.data),
            target=spec.target,
        )
        try:
            training.begin(steps)
            while trained < steps and (metrics := training.step()) is not None:
                trained += 1
                if time.perf_counter() - began > _ENOUGH_S or not all(map(isfinite, metrics.values())):
                    break
        finally:
            training.close()
    except TrainerError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise TrainerError(
            f"{trainer.name} raised in step {trained + 1} of {dict(assignment.config)}: {reason}"
        ) from error
    return time.perf_counter() - began, trained


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Sets environment variables meanwhile."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
