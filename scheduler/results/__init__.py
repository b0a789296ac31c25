"""Results in Parquet: writing every report, and reading them back.

Nothing is imported before it is asked for: to name the best trial takes no pyarrow.
"""

from importlib import import_module
from typing import Any

_PLACES = {
    "Best": "best",
    "ReportTable": "reports",
    "ReportWriter": "writer",
    "Results": "results",
    "drop_uncovered": "found_parts",
    "find_parts": "found_parts",
    "marks_to_note": "found_parts",
    "recorded_parts": "part_marks",
    "regions_table": "tables",
    "reported_through": "found_parts",
    "trials_table": "tables",
    "write_regions": "tables",
    "write_trials": "tables",
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
