"""A run of a sweep as an observer sees it: what it is doing, and why it ended."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from ..core.state import SweepState


class StopReason(str, Enum):
    """Why a run of a sweep ended."""

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
    """What an observer sees while a sweep runs.

    Attributes:
        state: The sweep.
        workers: Workers that are ready.
        elapsed_s: Seconds since the run began.
        stopping: Whether the run has been asked to stop.
        waiting: What cannot be written at present and why, such as a file on a full disk; None while everything can.
    """

    state: SweepState
    workers: int
    elapsed_s: float
    stopping: bool
    waiting: str | None = None


Observer = Callable[[RunSnapshot], None]
