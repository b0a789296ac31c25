"""One go at a group of assignments: its trials are opened, trained step by step up to the rung, saved and settled.

It gives way after each step, so that its thread can do other work between two steps.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Event

from ....trainers import FusedTrainings, fuse_trainings
from ...core.trials.assignment import OutcomeStatus
from ...errors import ObjectStoreError
from .assignment_run import AssignmentRun, WorkClock
from .storage_wait import Errors, StorageWait, Turns
from .trial_cache import TrialCache
from .watchdog import Watchdog

_GOES_ON = {OutcomeStatus.COMPLETED, OutcomeStatus.INTERRUPTED}


class Session:
    """Trains runs up to their rung, alone or as one model; errors of the training code pass through.

    Args:
        trials: The trials in this worker's memory.
        storage: Waits where they cannot be saved.
        paused: Set when work is to end after the step that is being trained.
        watchdog: Told of each step.
        every: Steps after which a checkpoint is saved between two rungs; None saves none there.
        clock: Seconds on the clock by which the worker's time is counted.
    """

    def __init__(
        self,
        trials: TrialCache,
        storage: StorageWait,
        paused: Event,
        watchdog: Watchdog,
        every: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._trials, self._storage, self._paused, self._watchdog, self._every = (
            trials,
            storage,
            paused,
            watchdog,
            every,
        )
        self._clock = WorkClock(clock)

    def train_alone(self, run: AssignmentRun) -> Turns[None]:
        """Trains one run to its outcome."""
        with self._accounted([run]):
            yield from self._open([run])
            yield from self._advance(run)

    def train_fused(self, runs: Sequence[AssignmentRun]) -> Turns[None]:
        """Trains the lanes that stand at one step as one model; those at another step are another model."""
        with self._accounted(runs):
            yield from self._open(runs)
            yield from self._finish([run for run in runs if not run.due])
            left = [run for run in runs if run.outcome is None]
            steps = sorted({run.opened.step for run in left})
            for part in [[run for run in left if run.opened.step == step] for step in steps]:
                if len(part) == 1:
                    yield from self._advance(part[0])
                else:
                    yield from self._advance_fused(part)

    @contextmanager
    def _accounted(self, runs: Sequence[AssignmentRun]) -> Iterator[None]:
        """Gives the runs that are left the time until the training code raises, if it does."""
        try:
            yield
        except BaseException:
            self._watchdog.end()
            self._clock.divide([run for run in runs if run.outcome is None])
            raise

    def _open(self, runs: Sequence[AssignmentRun]) -> Turns[None]:
        for run in runs:
            try:
                found = yield from self._storage.read(partial(self._trials.find, run.assignment, run.step))
            except (OSError, ObjectStoreError) as error:
                if not self._storage.to_blame(error):
                    raise
                run.end(OutcomeStatus.INTERRUPTED)
                continue
            self._watchdog.begin([run], 0)
            run.open(self._trials.acquire(run.assignment, found))
            run.opened.training.begin(run.assignment.stop)
            self._watchdog.end()
            self._clock.divide([run], self._storage.waited())
            yield 0.0

    def _advance(self, run: AssignmentRun) -> Turns[None]:
        while run.due and not self._paused.is_set():
            self._watchdog.begin([run], run.opened.step + 1)
            metrics = run.opened.training.step()
            self._watchdog.end()
            self._clock.divide([run])
            run.record(metrics)
            if run.due and self._at_interval(run.opened.step):
                yield from self._save([run])
            yield 0.0
        yield from self._finish([run])

    def _advance_fused(self, runs: Sequence[AssignmentRun]) -> Turns[None]:
        while runs:
            runs = yield from self._advance_lanes(fuse_trainings([run.opened.training for run in runs]), runs)
            yield from self._save(runs)
            runs = [run for run in runs if run.due]

    def _advance_lanes(self, fused: FusedTrainings, runs: Sequence[AssignmentRun]) -> Turns[Sequence[AssignmentRun]]:
        """Trains lanes up to the next save between two rungs, and returns those that come so far."""
        while runs and not self._paused.is_set():
            self._watchdog.begin(runs, runs[0].opened.step + 1)
            reports = fused.step()
            self._watchdog.end()
            self._clock.divide(runs)
            for run, metrics in zip(runs, reports, strict=True):
                run.record(metrics)
            lanes = [lane for lane, run in enumerate(runs) if run.due]
            save = bool(lanes) and self._at_interval(runs[lanes[0]].opened.step)
            if len(lanes) == len(runs) and not save:
                yield 0.0
                continue
            if lanes and not save:
                fused.keep(lanes)
            else:
                fused.part()
            due = [runs[lane] for lane in lanes]
            yield from self._finish([run for run in runs if not run.due])
            if save:
                return due
            runs = due
            yield 0.0
        if runs:
            fused.part()
            yield from self._finish(runs)
        return []

    def _at_interval(self, step: int) -> bool:
        return self._every is not None and step % self._every == 0

    def _save(self, runs: Sequence[AssignmentRun]) -> Turns[None]:
        """Saves trials between two rungs; one that cannot be saved fails alone."""
        errors = yield from self._saved(runs)
        for run, error in zip(runs, errors, strict=True):
            if error is not None and not self._storage.to_blame(error):
                run.fail(error)

    def _saved(self, runs: Sequence[AssignmentRun]) -> Turns[Errors]:
        """Saves trials; the time that they wait for the storage is nobody's training."""
        try:
            return (yield from self._storage.save(self._trials.save, [run.saving() for run in runs]))
        finally:
            self._clock.divide(runs, self._storage.waited())

    def _finish(self, runs: Sequence[AssignmentRun]) -> Turns[None]:
        """Saves the trials that can go on later and settles the outcomes; one that cannot be saved fails alone."""
        if not runs:
            return
        sound = [run for run in runs if run.outcome is None]
        errors = yield from self._saved(sound)
        for run, error in zip(sound, errors, strict=True):
            self._settle(run, error)
        for run in runs:
            if run.trial is not None and run.outcome is not None and run.outcome.status in _GOES_ON:
                self._trials.put_back(run.trial)
                run.trial = None
            else:
                run.close()

    def _settle(self, run: AssignmentRun, error: BaseException | None) -> None:
        """Settles a run whose trial was saved, or could not be: without room it is to be trained here again."""
        if error is not None and not self._storage.to_blame(error):
            run.fail(error)
        elif error is not None or run.due:
            run.end(OutcomeStatus.INTERRUPTED)
        else:
            run.complete()
