"""The status of a sweep, read from its directory; the sweep may be running meanwhile, in this process or another."""

import warnings
from dataclasses import dataclass
from enum import Enum

from ..core.trials.trial import TrialRow
from ..execution.snapshot import StopReason
from ..lifecycle.recorded import RecordedSweep
from ..lifecycle.replay import History
from ..spec.spec import SweepSpec
from ..storage import Holder, Location, SweepDirectory, holder, is_full, locate
from .insights import SearchSummary, state_warnings, summarize_search
from .progress import Progress, ProgressMeter


class SweepCondition(str, Enum):
    """The activity of a sweep, or the reason why it does nothing."""

    RUNNING = "running"
    """A process is running it."""
    FINISHED = "finished"
    """Its budget of trials or resource is spent."""
    OUT_OF_TIME = "out_of_time"
    """Its budget of hours is spent."""
    INTERRUPTED = "interrupted"
    """Someone asked it to stop; it can be resumed."""
    FAILURE = "failure"
    """A failure stopped it, as a rule of `on_error` says; it can be resumed."""
    NOT_BEGUN = "not_begun"
    """It never came to its first decision; it can be resumed."""
    KILLED = "killed"
    """Its last run ended without a word; it can be resumed."""


@dataclass(frozen=True, slots=True)
class SweepStatus:
    """The status of a sweep.

    Attributes:
        directory: The sweep's directory.
        spec: Its spec.
        condition: Its activity, or the reason why it does nothing.
        holder: The process that runs it; None when none does.
        runs: Number of times that it was started or resumed.
        seconds: Time that its runs took, up to what was recorded last.
        progress: Its progress.
        best: The trial with the best value at any rung; None before the first rung.
        summary: Findings of the search.
        warnings: Facts that a person should know of the ranges that were given, a sentence each.
    """

    directory: Location
    spec: SweepSpec
    condition: SweepCondition
    holder: Holder | None
    runs: int
    seconds: float
    progress: Progress
    best: TrialRow | None
    summary: SearchSummary
    warnings: tuple[str, ...]

    @property
    def lessons(self) -> SearchSummary:
        """The earlier name of `summary`."""
        message = "SweepStatus.lessons is called summary now; the earlier name will be removed in version 0.2.0."
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return self.summary


def sweep_status(path: str | Location) -> SweepStatus:
    """The status of the sweep in a directory; reads only.

    Raises:
        SweepError: There is no sweep.
        JournalError: The journal cannot be trusted.
        ResultsError: The results of the earlier sweep that it starts from are not there any more.
    """
    return status_of(RecordedSweep(SweepDirectory(locate(path))))


def status_of(recorded: RecordedSweep) -> SweepStatus:
    """The status of a sweep, as far as its journal was read: to look again, let it `advance`.

    Raises:
        SweepError: There is no sweep.
        JournalError: The journal cannot be trusted.
        ResultsError: The results of the earlier sweep that it starts from are not there any more.
    """
    _ = recorded.written  # before all else: without it there is no sweep
    held_by = holder(recorded.directory.lock)  # before the journal: a run that ends meanwhile has closed it
    # Where no process runs the sweep, work that was given out is to be done again.
    spec, state = recorded.spec, recorded.state if held_by else recorded.replay()
    history = recorded.history
    return SweepStatus(
        directory=recorded.directory.path,
        spec=spec,
        condition=SweepCondition.RUNNING if held_by else _condition(history),
        holder=held_by,
        runs=history.runs,
        seconds=history.seconds,
        progress=ProgressMeter(spec, schedule=state.schedule()).measure(state.rows, state.spent),
        best=state.best,
        summary=summarize_search(spec, state),
        warnings=(*state_warnings(spec, state), *_storage_warnings(recorded.directory, held_by)),
    )


def _storage_warnings(directory: SweepDirectory, held_by: Holder | None) -> list[str]:
    """Warnings about a disk that is full: a sweep on it cannot write that it waits."""
    if held_by is None or not is_full(directory.path):
        return []
    return [f"the disk of {directory.path} is full: the sweep is paused, or will be soon, until there is space"]


def _condition(history: History) -> SweepCondition:
    if not history.runs:
        return SweepCondition.NOT_BEGUN
    reasons = {reason.value for reason in StopReason}
    return SweepCondition(history.reason) if history.reason in reasons else SweepCondition.KILLED
