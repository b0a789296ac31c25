"""The choice of the best trial, and the values that decide it."""

import pyarrow as pa
import pyarrow.compute as pc

from .best import Best, kept_checkpoint
from .configurations import configuration_of
from .schema import SweepMetadata
from .source import Source


def find_best(source: Source, metadata: SweepMetadata) -> Best | None:
    """The trial with the best value at any rung; before the first rung, the one with the best report.

    Of equal values the lower trial counts, and of one trial's the lower step.

    Args:
        source: The sweep's tables.
        metadata: The sweep's metadata.

    Returns:
        None when nothing finite was reported yet.
    """
    found = ranked(source.trials(), "best_value", "best_step", metadata.mode)
    value, step = "best_value", "best_step"
    if not len(found):
        found = ranked(source.reports(), metadata.metric, "step", metadata.mode)
        value, step = metadata.metric, "step"
    if not len(found):
        return None
    row = found.slice(0, 1).to_pylist()[0]
    config = configuration_of(row, metadata.value_types)
    return Best(row["trial"], config, row[value], row[step], kept_checkpoint(source.path, row["trial"], row[step]))


def ranked(table: pa.Table, value: str, step: str, mode: str) -> pa.Table:
    """The rows with a finite value, best first."""
    # Not by an expression: Arrow runs those by its query engine, which imports pandas where that is installed.
    return best_first(table.filter(pc.is_finite(table[value])), value, step, mode)


def best_first(table: pa.Table, value: str, step: str, mode: str) -> pa.Table:
    """All rows, the best value first and those without one last; ties go to the lower trial, then the lower step."""
    return table.sort_by(
        [(value, "ascending" if mode == "min" else "descending"), ("trial", "ascending"), (step, "ascending")]
    )
