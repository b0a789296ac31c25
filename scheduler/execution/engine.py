"""The engine of a worker: trains groups of assignments one after the other, and turns what happens into outcomes.

It runs in one thread and knows nothing of Ray, so it can be used in the process of a test or a debugger as well.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event

from ...trainers import measure_group_size
from ...trainers.process import kill_processes, quiet_s
from ..core.assignment import Assignment, Outcome, OutcomeStatus
from ..storage import SweepDirectory
from .error_text import describe
from .open_trials import OpenTrial, OpenTrials, close
from .opener import LocalOpener, Opener
from .out_of_memory import free_memory
from .report_queue import ReportQueue
from .session import Session
from .settings import EngineSettings
from .storage_wait import StorageWait
from .trial_output import TrialOutput
from .trial_run import TrialRun
from .watch import Overdue, Watch


class Engine:
    """Trains groups of assignments; `pause` and `overdue` may be called from another thread.

    Args:
        settings: What every worker of the sweep is told.
        reports: Where reports go.
        opener: Opens trials; in this process alone if None.
    """

    def __init__(self, settings: EngineSettings, reports: ReportQueue, opener: Opener | None = None) -> None:
        self._settings, self._reports = settings, reports
        self._opener = opener or LocalOpener(settings)
        self._layout = SweepDirectory(settings.directory)
        self._trials = OpenTrials(self._layout, self._opener)
        self._warm = settings.warm
        self._paused = Event()
        self._watch = Watch(settings, quiet_s, None if opener is None else opener.fault)
        self._output = TrialOutput(self._watch.heard)
        self._runs: Sequence[TrialRun] = ()
        """The group that is being trained."""
        self._storage = StorageWait(self._layout.path, self._paused)

    @property
    def waiting(self) -> str | None:
        """What cannot be written at present and why, for which the running group waits; None while it does not."""
        return self._storage.reason

    @property
    def broken(self) -> bool:
        """Whether nothing can be trained here any more, because of what happened between the worker's processes."""
        return self._opener.broken or self._opener.fault() is not None

    def pause(self) -> None:
        """Makes the running group, and all later ones, end after the step that is being trained."""
        self._paused.set()
        self._reports.open_wide()

    def run(self, group: Sequence[Assignment]) -> list[Outcome]:
        """Trains a group of assignments to their end; nothing that the training code does gets past this.

        Args:
            group: Assignments with one `stop`; lanes of it are trained as one model.

        Returns:
            The outcome of each, in their order.
        """
        runs = [TrialRun(assignment, self._settings.metric, self._reports) for assignment in group]
        if self._settings.fuse and self._warm:
            self._warm = max(self._warm, 2 * len(group))
        self._runs = runs
        self._train(runs)
        outcomes = [run.outcome for run in runs if run.outcome is not None]
        assert len(outcomes) == len(group), "every run ends in an outcome"
        return outcomes

    def overdue(self) -> Sequence[Outcome]:
        """The outcomes of the running group if its step takes too long: nothing can be trained here after that.

        The same holds where another process of this worker has raised or died. The processes of the training code are
        killed, the reason goes to the log, with the stack of a step that takes too long, and what was trained in the
        step has failed. The rest of the group was interrupted.
        """
        late = self._watch.overdue()
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
        """How many trials of a lane to train together on this worker's device; they are not trained by this.

        Args:
            assignments: Trials that can be trained together.
            share: The share of the device's memory that a group may take, above 0 and at most 1.

        Raises:
            Exception: Whatever the training code raises.
        """
        trials: list[OpenTrial] = []
        with self._output.captured(self._layout.log(assignments[0].trial)):
            try:
                for assignment in assignments:
                    trials.append(self._trials.open(assignment))
                return measure_group_size([trial.training for trial in trials], share)
            finally:
                for trial in trials:
                    close(trial)

    def close(self) -> None:
        """Closes every open trial."""
        self._trials.trim(0)

    def _train(self, runs: Sequence[TrialRun]) -> None:
        if self._paused.is_set() or self._opener.broken:
            for run in runs:
                run.end(OutcomeStatus.INTERRUPTED)
        elif len(runs) == 1:
            self._train_alone(runs[0])
        else:
            for part in self._train_fused(runs) if self._settings.fuse else [[run] for run in runs]:
                self._train(part)

    def _session(self) -> Session:
        return Session(self._trials, self._storage, self._paused, self._watch, self._settings.every)

    def _train_alone(self, run: TrialRun) -> None:
        with self._captured([run]):
            if run.alone:
                print("Going on with nothing else in this worker's memory.")  # noqa: T201
                self._trials.trim(0)
                free_memory()
            try:
                self._session().train_alone(run)
            except (Exception, SystemExit) as error:
                run.fail(error)
            finally:
                self._trials.trim(self._warm)
        if not self._opener.broken and run.reopen_alone():
            self._train_alone(run)

    def _train_fused(self, runs: Sequence[TrialRun]) -> list[Sequence[TrialRun]]:
        """Trains lanes as one model.

        Returns:
            What is to be trained for itself, from its newest checkpoints: where that raised, the two halves of those
            that are left, which finds the lane that raises, and groups that fit into memory.
        """
        halves = list[Sequence[TrialRun]]()
        with self._captured(runs):
            try:
                self._session().train_fused(runs)
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
    def _captured(self, runs: Sequence[TrialRun]) -> Iterator[None]:
        """Sends what is printed meanwhile to the log of the first run, and judges those that have failed then."""
        log = self._layout.log(runs[0].assignment.trial)
        with self._output.captured(log) as file, self._watch.stacks_to(file):
            yield
            for run in runs:
                run.judge(self._settings.rules, self._output.last)


def _end_late(run: TrialRun, late: Overdue) -> None:
    if run.outcome is None:
        if any(run is one for one in late.runs):
            run.elapsed_s += late.elapsed_s / len(late.runs)
            run.end(late.status, error=late.reason)
        else:
            run.end(OutcomeStatus.INTERRUPTED)
