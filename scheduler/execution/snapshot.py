"""A run of a sweep as an observer sees it: what it is doing, and why it ended."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from ..core.state import SweepState


class StopReason(str, Enum):
    """Reason why a run of a sweep ended."""

    FINISHED = "finished"
    """The budget of trials or resource is spent."""
    OUT_OF_TIME = "out_of_time"
    """The budget of hours is spent."""
    INTERRUPTED = "interrupted"
    """Someone asked it to stop."""
    FAILURE = "failure"
    """A failure stopped it, as a rule of `on_error` says."""


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """State of a running sweep as an observer sees it.

    Attributes:
        state: The sweep.
        workers: Workers that are ready.
        elapsed_s: Seconds since the run began.
        stopping: True where the run has been asked to stop.
        waiting: The thing that cannot be written at present, such as a file on a full disk, and why; None while
            everything can be.
    """

    state: SweepState
    workers: int
    elapsed_s: float
    stopping: bool
    waiting: str | None = None


Observer = Callable[[RunSnapshot], None]
