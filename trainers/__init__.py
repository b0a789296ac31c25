"""The training of one trial: training code in any of its three forms, opened, stepped, saved and restored.

Nothing is imported before it is asked for: a spec needs to know commands, not the code that trains.
"""

from importlib import import_module
from typing import Any

_PLACES = {
    "FusedTrainings": "protocol",
    "Fusing": "protocol",
    "Reference": "trainer",
    "Trainer": "trainer",
    "TrainerError": "errors",
    "TrainerKind": "trainer",
    "TrainerLike": "trainer",
    "Training": "protocol",
    "Trial": "trial",
    "fuse_trainings": "opening",
    "load_trainer": "trainer",
    "measure_group_size": "opening",
    "open_training": "opening",
}
"""The module of each name; `__init__.pyi` says the same to type checkers."""

__all__ = list(_PLACES)


def __getattr__(name: str) -> Any:
    """Imports what the package offers when it is asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACES[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *_PLACES]
