"""The engine of a worker: trains assignments one at a time, keeps trials warm, and turns what happens into outcomes.

It runs in one thread and knows nothing of Ray, so it can be used in the process of a test or a debugger as well.
"""

import time
import traceback
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from threading import Event

from ...trainers import Trainer, TrainerError, Training, open_training
from ..core.assignment import Assignment, Outcome, OutcomeStatus
from ..storage import Checkpoints, SweepDirectory
from .report_queue import ReportQueue
from .trial_log import captured_output


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What every worker of a sweep is told.

    Attributes:
        trainer: The training code.
        metric: Name of the sweep's metric.
        resource_max: The full resource of a trial, in steps.
        directory: The sweep's directory, for checkpoints and logs.
        warm: Trials that are kept open after their assignment, at least 0.
    """

    trainer: Trainer
    metric: str
    resource_max: int
    directory: Path
    warm: int = 8


@dataclass(slots=True)
class _OpenTrial:
    """A trial in this worker's memory.

    Attributes:
        training: Its open training.
        step: Steps trained.
        metrics: The metrics at `step`.
        ended: Whether the training ended by itself at `step`.
    """

    training: Training
    step: int
    metrics: Mapping[str, float]
    ended: bool = False


class Engine:
    """Trains assignments; `pause` may be called from another thread.

    Args:
        settings: What every worker of the sweep is told.
        reports: Where reports go.
    """

    def __init__(self, settings: EngineSettings, reports: ReportQueue) -> None:
        self._settings, self._reports = settings, reports
        self._layout = SweepDirectory(settings.directory)
        self._checkpoints = Checkpoints(self._layout.checkpoints, self._layout.staging)
        self._warm: OrderedDict[int, _OpenTrial] = OrderedDict()
        self._paused = Event()

    def pause(self) -> None:
        """Makes the running assignment, and all later ones, end after the step that is being trained."""
        self._paused.set()

    def run(self, assignment: Assignment) -> Outcome:
        """Trains one assignment to its end; nothing that the training code does gets past this."""
        run = _Run(assignment, time.perf_counter())
        if self._paused.is_set():
            return run.outcome(OutcomeStatus.INTERRUPTED)
        with captured_output(self._layout.log(assignment.trial)) as log:
            try:
                return self._train(run)
            except (Exception, SystemExit) as error:
                text = _describe(error)
                log.write(text if text.endswith("\n") else text + "\n")
                return run.outcome(OutcomeStatus.FAILED, error=text)
            finally:
                self._trim(self._settings.warm)

    def close(self) -> None:
        """Closes every open trial."""
        self._trim(0)

    def _train(self, run: "_Run") -> Outcome:
        assignment = run.assignment
        trial = self._warm.pop(assignment.trial, None)
        if trial is not None and trial.step != assignment.start:
            _close(trial.training)
            trial = None
        trial = trial or self._open(assignment)
        keep = False
        try:
            outcome = self._advance(trial, run)
            keep = outcome.status is not OutcomeStatus.DIVERGED
            return outcome
        finally:
            if keep:
                self._warm[assignment.trial] = trial
            else:
                _close(trial.training)

    def _advance(self, trial: _OpenTrial, run: "_Run") -> Outcome:
        """Trains up to the rung, or to whatever comes before it."""
        trial.training.begin(run.assignment.stop)
        while trial.step < run.assignment.stop and not trial.ended:
            if self._paused.is_set():
                self._save(trial, run.assignment)
                return run.outcome(OutcomeStatus.INTERRUPTED)
            metrics = trial.training.step()
            if metrics is None:
                trial.ended = True
                break
            trial.step, trial.metrics = trial.step + 1, metrics
            self._report(trial, run)
            if bad := [name for name, value in metrics.items() if not isfinite(value)]:
                return run.outcome(OutcomeStatus.DIVERGED, error=f"{bad[0]} is {metrics[bad[0]]} at step {trial.step}")
        value = self._value(trial)
        self._save(trial, run.assignment)
        return run.outcome(OutcomeStatus.COMPLETED, value=value)

    def _report(self, trial: _OpenTrial, run: "_Run") -> None:
        run.step, elapsed_s = trial.step, run.assignment.elapsed_s + run.elapsed_s
        if trial.step > run.assignment.reported:
            self._reports.append(run.assignment, trial.step, time.time_ns() // 1000, elapsed_s, trial.metrics)

    def _value(self, trial: _OpenTrial) -> float:
        if self._settings.metric in trial.metrics:
            return trial.metrics[self._settings.metric]
        reported = ", ".join(trial.metrics) or "nothing"
        raise TrainerError(
            f"metric: the report at step {trial.step} has no {self._settings.metric!r}; it has {reported}."
            " Report the sweep's metric at every rung, or name one of these in the spec."
        )

    def _open(self, assignment: Assignment) -> _OpenTrial:
        """Opens a trial at the newest checkpoint that verifies, or from the beginning."""
        found = self._checkpoints.newest(assignment.trial, assignment.start) if assignment.start else None
        training = open_training(
            self._settings.trainer,
            number=assignment.trial,
            config=assignment.config,
            seed=assignment.seed,
            resource_max=self._settings.resource_max,
            directory=found.path if found else None,
            step=found.step if found else 0,
        )
        if found is None:
            return _OpenTrial(training, 0, {})
        return _OpenTrial(training, found.step, found.meta["metrics"], found.meta["ended"])

    def _save(self, trial: _OpenTrial, assignment: Assignment) -> None:
        if trial.step > 0 and trial.training.stateful:
            meta = {"metrics": dict(trial.metrics), "ended": trial.ended}
            self._checkpoints.write(assignment.trial, trial.step, trial.training.save, meta)

    def _trim(self, warm: int) -> None:
        while len(self._warm) > warm:
            _close(self._warm.popitem(last=False)[1].training)


@dataclass(slots=True)
class _Run:
    """One assignment while it is trained.

    Attributes:
        assignment: The work.
        began: When it began, on the performance counter.
        step: The last step trained; 0 until one is.
    """

    assignment: Assignment
    began: float
    step: int = 0

    @property
    def elapsed_s(self) -> float:
        return time.perf_counter() - self.began

    def outcome(self, status: OutcomeStatus, value: float | None = None, error: str | None = None) -> Outcome:
        step = max(self.step, self.assignment.start)
        work = self.assignment
        return Outcome(work.trial, work.rung, work.attempt, status, step, value, self.elapsed_s, error)


def _close(training: Training) -> None:
    """Closes a training; what its code raises then changes no result and is only printed."""
    try:
        training.close()
    except (Exception, SystemExit):
        traceback.print_exc()


_OWN_FOLDERS = (str(Path(__file__).parent), str(Path(open_training.__code__.co_filename).parent))


def _describe(error: BaseException) -> str:
    """The traceback of a person's code without our frames above it; our own message alone where it says it all."""
    if isinstance(error, TrainerError):
        return str(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and _is_own(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))


def _is_own(file: str) -> bool:
    return file.startswith(_OWN_FOLDERS)
