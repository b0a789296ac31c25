"""Results in Parquet: writing every report, and reading them back."""

from .best import Best
from .regions import regions_table, write_regions
from .reports import ReportTable
from .results import Results
from .schema import is_reserved
from .trials import trials_table, write_trials
from .writer import ReportWriter, drop_uncovered, reported_through

__all__ = [
    "Best",
    "ReportTable",
    "ReportWriter",
    "Results",
    "drop_uncovered",
    "is_reserved",
    "regions_table",
    "reported_through",
    "trials_table",
    "write_regions",
    "write_trials",
]
