"""Results in Parquet: writing every report, and reading them back.

Nothing is imported before it is asked for: to name the best trial takes no pyarrow.
"""

from ...search_spaces.lazy_names import lazy_names

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
"""The module of each name."""

__all__ = list(_PLACES)

__getattr__, __dir__ = lazy_names(__name__, _PLACES)
