"""One assignment while it is trained: the reports of its steps, and its outcome in the end."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite

from ....trainers import TrainerError
from ...core.trials.assignment import Assignment, ErrorAction, ErrorRule, Outcome, OutcomeStatus, decide
from .failures import describe, is_out_of_memory, memory_sentence
from .report_queue import ReportQueue
from .trial_cache import OpenTrial, close


@dataclass(slots=True)
class AssignmentRun:
    """One assignment while it is trained.

    Attributes:
        assignment: The work.
        metric: Name of the sweep's metric.
        reports: The queue to which reports go.
        trial: The open trial; None before it is opened.
        step: The furthest step trained; 0 until one is.
        elapsed_s: The worker's time that it took so far.
        outcome: Its outcome; None while it is trained.
        out_of_memory: True where it failed because memory was missing.
        alone: True where it is tried once more with nothing else in the worker's memory.
    """

    assignment: Assignment
    metric: str
    reports: ReportQueue
    trial: OpenTrial | None = None
    step: int = 0
    elapsed_s: float = 0.0
    outcome: Outcome | None = None
    out_of_memory: bool = False
    alone: bool = False

    def open(self, trial: OpenTrial) -> None:
        """Goes on with a trial where it stands; steps beyond the assignment's start are from an attempt cut off."""
        self.trial = trial
        if trial.step > max(self.step, self.assignment.start):
            self.step = trial.step
            self.elapsed_s = max(self.elapsed_s, trial.elapsed_s - self.assignment.elapsed_s)

    @property
    def opened(self) -> OpenTrial:
        """The open trial."""
        assert self.trial is not None, "it is opened before it is trained"
        return self.trial

    @property
    def due(self) -> bool:
        """True where a step is to be trained next."""
        return self.outcome is None and not self.opened.ended and self.opened.step < self.assignment.stop

    def record(self, metrics: dict[str, float] | None) -> None:
        """Reports the metrics of a step; ends as DIVERGED where one is not finite."""
        trial = self.opened
        if metrics is None:
            trial.ended = True
            return
        trial.record(metrics)
        if trial.step > max(self.step, self.assignment.reported):
            elapsed_s = self.assignment.elapsed_s + self.elapsed_s
            self.reports.append(self.assignment, trial.step, time.time_ns() // 1000, elapsed_s, metrics)
        self.step = max(self.step, trial.step)
        if bad := [name for name, value in metrics.items() if not isfinite(value)]:
            self.end(OutcomeStatus.DIVERGED, error=f"{bad[0]} is {metrics[bad[0]]} at step {trial.step}")

    def saving(self) -> OpenTrial:
        """The trial with the time that it took so far, to be saved."""
        self.opened.elapsed_s = self.assignment.elapsed_s + self.elapsed_s
        return self.opened

    def complete(self) -> None:
        """Ends as COMPLETED with the metric at the last step, or as FAILED where the last report has none."""
        trial = self.opened
        if self.metric in trial.metrics:
            return self.end(OutcomeStatus.COMPLETED, trial.metrics[self.metric])
        reported = ", ".join(trial.metrics) or "nothing"
        missing = TrainerError(
            f"metric: the report at step {trial.step} has no {self.metric!r}; it has {reported}."
            " Report the sweep's metric at every rung, or name one of these in the spec."
        )
        return self.fail(missing)

    def fail(self, error: BaseException) -> None:
        """Ends as FAILED, closes the trial and prints the error."""
        text, self.out_of_memory = describe(error), is_out_of_memory(error)
        if self.out_of_memory:
            text = f"{memory_sentence(error)}\n{text}"
        sys.stderr.write(text if text.endswith("\n") else text + "\n")
        self.end(OutcomeStatus.FAILED, error=text)
        self.close()

    def judge(self, rules: Sequence[ErrorRule], printed: str) -> None:
        """Adds to the outcome of a failure the action that is taken about it.

        Args:
            rules: The rules for handling failures; one for want of memory is tried alone where none of them matches.
            printed: The text that the training code has printed last.
        """
        failed = self.outcome
        if failed is None or failed.status is not OutcomeStatus.FAILED or failed.action is not None:
            return
        action = decide(rules, failed.error or "", printed)
        if action is None and self.out_of_memory:
            action = ErrorAction.RETRY_ALONE
        self.outcome = replace(failed, action=action)

    def reopen_alone(self) -> bool:
        """Takes back a failure that is to be tried once more alone; returns True where it was one."""
        if self.alone or self.outcome is None or self.outcome.action is not ErrorAction.RETRY_ALONE:
            return False
        self.alone, self.outcome = True, None
        return True

    def close(self) -> None:
        """Closes the trial, if it is open."""
        if self.trial is not None:
            close(self.trial)
            self.trial = None

    def end(self, status: OutcomeStatus, value: float | None = None, error: str | None = None) -> None:
        """Settles the outcome."""
        step, work = max(self.step, self.assignment.start), self.assignment
        # A trial that ended where it began from another's checkpoint has the value that it found there.
        lowest, highest = (None, None) if value is None else self.opened.ranges.get(self.metric, (value, value))
        self.outcome = Outcome(
            work.trial,
            work.rung,
            work.attempt,
            status,
            step,
            value,
            self.elapsed_s,
            error,
            lowest=lowest,
            highest=highest,
        )


class WorkClock:
    """Divides a worker's time among the runs that it went to, so that the sum over trials stays the worker's time.

    Args:
        clock: Seconds on the clock by which the worker's time is counted.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock, self._last = clock, clock()

    def divide(self, runs: Sequence[AssignmentRun], idle_s: float = 0.0) -> None:
        """Gives each run an equal share of the time since the last call, but for seconds in which nothing was done."""
        now = self._clock()
        share, self._last = (now - self._last - idle_s) / max(1, len(runs)), now
        for run in runs:
            run.elapsed_s += share
