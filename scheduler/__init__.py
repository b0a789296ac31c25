"""Sweeps: what runs, where and for how long, and what came of it."""

from .core.schedule import BracketPlan, Plan
from .errors import (
    InvalidSpecError,
    JournalError,
    ResultsError,
    StorageError,
    SweepError,
    SweepLockedError,
    SweepStoppedError,
    WorkerError,
)
from .execution.loop import Moment, StopReason
from .results import Best, Results
from .spec import SweepSpec
from .sweep import Sweep

__all__ = [
    "Best",
    "BracketPlan",
    "InvalidSpecError",
    "JournalError",
    "Moment",
    "Plan",
    "Results",
    "ResultsError",
    "StopReason",
    "StorageError",
    "Sweep",
    "SweepError",
    "SweepLockedError",
    "SweepSpec",
    "SweepStoppedError",
    "WorkerError",
]
