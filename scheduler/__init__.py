"""Sweeps: what runs, where and for how long, and what came of it.

Nothing is imported before it is asked for: `caviar --help` should not wait for what runs a sweep.
"""

import warnings
from importlib import import_module
from typing import Any

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
"""The module of each name; `__init__.pyi` says the same to type checkers."""

__all__ = list(_PLACES)


_EARLIER_NAMES = {"Moment": "RunSnapshot"}


def __getattr__(name: str) -> Any:
    """Imports what the package offers when it is asked for."""
    if name in _EARLIER_NAMES:
        new = _EARLIER_NAMES[name]
        message = f"{__name__}.{name} is called {new} now; the earlier name will be removed in version 0.2.0."
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        name = new
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACES[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *_PLACES]
