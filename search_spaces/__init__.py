"""Search spaces: domains of hyperparameters, conditions and constraints, and designs in the unit cube.

Nothing is imported before it is asked for: the errors stand below everything, and a program that only names them
should not wait for numpy and pydantic.
"""

from importlib import import_module
from typing import Any

_PLACES = {
    "CaviarError": "errors",
    "Choice": "options",
    "Constant": "options",
    "Domain": "domain",
    "Integer": "integer",
    "InvalidSpaceError": "errors",
    "InvalidYamlError": "errors",
    "InverseLog": "continuous",
    "Log": "continuous",
    "Ordinal": "options",
    "SearchSpace": "space",
    "Uniform": "continuous",
    "Value": "values",
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
