"""The names that `__init__.py` imports when they are asked for, as type checkers see them."""

from .core.controllers.schedule import BracketPlan, Plan
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
from .execution.callbacks import Callback, RunStart
from .execution.snapshot import RunSnapshot, StopReason
from .results import Best, Results
from .spec.spec import SweepSpec
from .sweep import Sweep

__all__ = [
    "Best",
    "BracketPlan",
    "Callback",
    "InvalidSpecError",
    "JournalError",
    "Plan",
    "Results",
    "ResultsError",
    "RunSnapshot",
    "RunStart",
    "StopReason",
    "StorageError",
    "Sweep",
    "SweepError",
    "SweepLockedError",
    "SweepSpec",
    "SweepStoppedError",
    "WorkerError",
]
