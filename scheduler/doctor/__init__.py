"""Examines and repairs: the files of a sweep, and the cluster that it is to run on."""

from importlib import import_module
from typing import Any

_PLACES = {"examine": "files", "repair": "files"}
"""The module of each name; `__init__.pyi` says the same to type checkers."""

__all__ = list(_PLACES)


def __getattr__(name: str) -> Any:
    """Imports what the package offers when it is asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACES[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *_PLACES]
