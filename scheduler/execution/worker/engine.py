"""The engine of a worker: trains groups of assignments one after the other, up to their outcomes.

It runs in one thread and knows nothing of Ray: a worker's process has one, and so has a sweep that trains in its own.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Event
from typing import Protocol

from ....trainers import measure_group_size
from ....trainers.process import kill_processes, quiet_s
from ...core.trials.assignment import Assignment, Outcome, OutcomeStatus
from ...storage import Location, SweepDirectory
from .assignment_run import AssignmentRun
from .failures import describe, free_memory
from .opener import LocalOpener, Opener
from .output import TrialOutput
from .report_queue import ReportQueue
from .session import Session
from .settings import TrainingSettings
from .storage_wait import StorageWait, Turns
from .trial_cache import OpenTrial, TrialCache, close
from .watchdog import StepTimeout, Watchdog


class Output(Protocol):
    """Takes the output of training code."""

    @property
    def last(self) -> str:
        """The end of the text printed since the capture began, by which rules judge a failure."""

    def captured(self, log: Location) -> AbstractContextManager[Path | None]:
        """Takes the output meanwhile; gives the file on this machine that it goes to, if it goes to one.

        Args:
            log: The log of the trial that is trained.
        """

    def write(self, text: str) -> int:
        """Adds text to that of the training code."""


class Engine:
    """Trains groups of assignments; `pause` and `overdue` may be called from another thread.

    Args:
        settings: The settings of every worker of the sweep.
        reports: The queue to which reports go.
        opener: Opens trials; in this process alone if None.
        output: Takes the output of training code; the trials' logs if None.
        clock: Seconds on the clock by which the worker's time is counted.
        passing: Exceptions of training code that are no failure of a trial: they get past `train`.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        reports: ReportQueue,
        opener: Opener | None = None,
        output: Output | None = None,
        clock: Callable[[], float] = time.perf_counter,
        passing: tuple[type[BaseException], ...] = (),
    ) -> None:
        self._settings, self._reports, self._clock, self._passing = settings, reports, clock, passing
        self._opener = opener or LocalOpener(settings)
        self._directory = SweepDirectory(settings.directory)
        self._trials = TrialCache(self._directory, self._opener)
        self._warm = settings.warm
        self._paused = Event()
        self._watchdog = Watchdog(settings, quiet_s, None if opener is None else opener.fault)
        self._output = output or TrialOutput(self._watchdog.heard)
        self._runs: Sequence[AssignmentRun] = ()
        """The group that is being trained, or was trained last."""
        self._storage = StorageWait(self._directory.path, self._paused, clock)

    @property
    def waiting(self) -> str | None:
        """The thing that the running group waits to write but cannot at present, and why; None while none waits."""
        return self._storage.reason

    @property
    def broken(self) -> bool:
        """True where nothing can be trained here any more, because of an event between the worker's processes."""
        return self._opener.broken or self._opener.fault() is not None

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """The outcomes of the group that was trained last, in the order of its assignments."""
        outcomes = [run.outcome for run in self._runs if run.outcome is not None]
        assert len(outcomes) == len(self._runs), "every run ends in an outcome"
        return outcomes

    def pause(self) -> None:
        """Makes the running group, and all later ones, end after the step that is being trained."""
        self._paused.set()
        self._reports.open_wide()

    def run(self, group: Sequence[Assignment]) -> list[Outcome]:
        """Trains a group of assignments to their end; no error of the training code gets past this.

        Args:
            group: Assignments with one `stop`; lanes of it are trained as one model.

        Returns:
            The outcome of each, in their order.
        """
        for pause in self.train(group):
            if pause:
                self._paused.wait(pause)
        return list(self.outcomes)

    def train(self, group: Sequence[Assignment]) -> Turns[None]:
        """The same for a thread that has something else to do between two steps; the outcomes are in `outcomes` then.

        Args:
            group: Assignments with one `stop`; lanes of it are trained as one model.
        """
        self._runs = [AssignmentRun(assignment, self._settings.metric, self._reports) for assignment in group]
        if self._settings.fuse and self._warm:
            self._warm = max(self._warm, 2 * len(group))
        return self._train(self._runs)

    def overdue(self) -> Sequence[Outcome]:
        """The outcomes of the running group if its step takes too long: nothing can be trained here after that.

        The same holds where another process of this worker has raised or died. The processes of the training code are
        killed, the reason goes to the log, with the stack of a step that takes too long, and what was trained in the
        step has failed. The rest of the group was interrupted.
        """
        late = self._watchdog.overdue()
        if late is None:
            return []
        others = self._opener.stacks() if late.stack else ""
        self._output.write(f"{late.stack}{others}{late.reason}\n")
        kill_processes()
        for run in self._runs:
            _end_late(run, late)
            run.judge(self._settings.rules, self._output.last)
        return [run.outcome for run in self._runs if run.outcome is not None]

    def group_size(self, assignments: Sequence[Assignment], share: float) -> int:
        """Number of trials of a lane to train together on this worker's device; they are not trained by this.

        Args:
            assignments: Trials that can be trained together.
            share: The share of the device's memory that a group may take, above 0 and at most 1.

        Raises:
            Exception: Whatever the training code raises.
        """
        trials: list[OpenTrial] = []
        with self._output.captured(self._directory.log(assignments[0].trial)):
            try:
                for assignment in assignments:
                    trials.append(self._trials.open(assignment))
                return measure_group_size([trial.training for trial in trials], share)
            finally:
                for trial in trials:
                    close(trial)

    def close(self) -> None:
        """Closes every open trial."""
        for run in self._runs:
            run.close()
        self._trials.trim(0)

    def _train(self, runs: Sequence[AssignmentRun]) -> Turns[None]:
        if self._paused.is_set() or self._opener.broken:
            for run in runs:
                run.end(OutcomeStatus.INTERRUPTED)
        elif len(runs) == 1:
            yield from self._train_alone(runs[0])
        else:
            parts = (yield from self._train_fused(runs)) if self._settings.fuse else [[run] for run in runs]
            for part in parts:
                yield from self._train(part)

    def _session(self) -> Session:
        return Session(self._trials, self._storage, self._paused, self._watchdog, self._settings.every, self._clock)

    def _train_alone(self, run: AssignmentRun) -> Turns[None]:
        with self._captured([run]):
            if run.alone:
                print("Going on with nothing else in this worker's memory.")  # noqa: T201
                self._trials.trim(0)
                free_memory()
            try:
                yield from self._session().train_alone(run)
            except self._passing:
                raise
            except (Exception, SystemExit) as error:
                run.fail(error)
            finally:
                self._trials.trim(self._warm)
        if not self._opener.broken and run.reopen_alone():
            yield from self._train_alone(run)

    def _train_fused(self, runs: Sequence[AssignmentRun]) -> Turns[list[Sequence[AssignmentRun]]]:
        """Trains lanes as one model.

        Returns:
            The groups to be trained for themselves, from their newest checkpoints: where that raised, the two halves of
            those that are left, which finds the lane that raises, and groups that fit into memory.
        """
        halves = list[Sequence[AssignmentRun]]()
        with self._captured(runs):
            try:
                yield from self._session().train_fused(runs)
            except self._passing:
                raise
            except (Exception, SystemExit) as error:
                left = [run for run in runs if run.outcome is None]
                names = ", ".join(str(run.assignment.trial) for run in left)
                print(f"{describe(error).rstrip()}\nGoing on with trials {names} in two halves.")  # noqa: T201
                for run in left:
                    run.close()
                self._trials.trim(0)  # it may be their memory that was missing
                middle = -(-len(left) // 2)
                halves = [half for half in (left[:middle], left[middle:]) if half]
            finally:
                self._trials.trim(self._warm)
        # The traceback, which held the tensors of the attempt, is gone here: the halves have their memory.
        return [*halves, *([run] for run in runs if run.reopen_alone())]

    @contextmanager
    def _captured(self, runs: Sequence[AssignmentRun]) -> Iterator[None]:
        """Sends the output meanwhile to the log of the first run; after that it judges the runs that have failed."""
        log = self._directory.log(runs[0].assignment.trial)
        with self._output.captured(log) as file, self._watchdog.stacks_to(file):
            yield
            for run in runs:
                run.judge(self._settings.rules, self._output.last)


def _end_late(run: AssignmentRun, late: StepTimeout) -> None:
    if run.outcome is None:
        if any(run is one for one in late.runs):
            run.elapsed_s += late.elapsed_s / len(late.runs)
            run.end(late.status, error=late.reason)
        else:
            run.end(OutcomeStatus.INTERRUPTED)
