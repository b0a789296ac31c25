"""The names that `__init__.py` imports when they are asked for, as type checkers see them."""

from .best import Best
from .found_parts import drop_uncovered, find_parts, marks_to_note, reported_through
from .part_marks import recorded_parts
from .reports import ReportTable
from .results import Results
from .tables import regions_table, trials_table, write_regions, write_trials
from .writer import ReportWriter

__all__ = [
    "Best",
    "ReportTable",
    "ReportWriter",
    "Results",
    "drop_uncovered",
    "find_parts",
    "marks_to_note",
    "recorded_parts",
    "regions_table",
    "reported_through",
    "trials_table",
    "write_regions",
    "write_trials",
]
