"""Results in Parquet: writing every report, and reading them back."""

from .best import Best
from .part_marks import check_parts, recorded_parts
from .regions import regions_table, write_regions
from .reports import ReportTable
from .results import Results
from .schema import is_reserved
from .trials import trials_table, write_trials
from .writer import ReportWriter, drop_uncovered, marks_to_note, reported_through

__all__ = [
    "Best",
    "ReportTable",
    "ReportWriter",
    "Results",
    "check_parts",
    "drop_uncovered",
    "is_reserved",
    "marks_to_note",
    "recorded_parts",
    "regions_table",
    "reported_through",
    "trials_table",
    "write_regions",
    "write_trials",
]
