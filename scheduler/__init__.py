"""Sweeps: what runs, where and for how long, and what came of it.

Nothing is imported before it is asked for: `caviar --help` should not wait for what runs a sweep.
"""

import warnings
from typing import Any

from ..search_spaces.lazy_names import lazy_names
from ..trainers.earlier_names import find_earlier_names
from .earlier_names import EARLIER_NAMES

find_earlier_names(__name__, EARLIER_NAMES)

_PLACES = {
    "Best": "results",
    "BracketPlan": "core.controllers.schedule",
    "Callback": "execution.callbacks",
    "InvalidSpecError": "errors",
    "JournalError": "errors",
    "RunSnapshot": "execution.snapshot",
    "Plan": "core.controllers.schedule",
    "Results": "results",
    "ResultsError": "errors",
    "RunStart": "execution.callbacks",
    "StopReason": "execution.snapshot",
    "StorageError": "errors",
    "Sweep": "sweep",
    "SweepError": "errors",
    "SweepLockedError": "errors",
    "SweepSpec": "spec.spec",
    "SweepStoppedError": "errors",
    "WorkerError": "errors",
}
"""The module of each name."""

__all__ = list(_PLACES)

_RENAMED = {"Moment": "RunSnapshot"}
_offered, __dir__ = lazy_names(__name__, _PLACES)


def __getattr__(name: str) -> Any:
    """Imports what the package offers when it is asked for; an earlier name warns."""
    if name in _RENAMED:
        new = _RENAMED[name]
        message = f"{__name__}.{name} is called {new} now; the earlier name will be removed in version 0.2.0."
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return _offered(new)
    return _offered(name)
