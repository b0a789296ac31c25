"""Which trial is best, and by what."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ...search_spaces import Value
from ..storage.checkpoints import Checkpoints
from ..storage.layout import SweepDirectory
from ..storage.location import Location
from .configurations import configuration_of
from .schema import Header
from .source import Source


@dataclass(frozen=True, slots=True)
class Best:
    """The best trial of a sweep.

    Attributes:
        trial: Its number.
        config: Its configuration: plain Python values, inactive names absent.
        value: The best value of the sweep's metric.
        step: The step at which it had that value.
        checkpoint: The directory of its saved state at that step; None when it was not kept.
    """

    trial: int
    config: Mapping[str, Value]
    value: float
    step: int
    checkpoint: Location | None


def find_best(source: Source, header: Header) -> Best | None:
    """The trial with the best value at any rung; before the first rung, the one with the best report.

    Of equal values the lower trial counts, and of one trial's the lower step.

    Args:
        source: The sweep's tables.
        header: The sweep's header.

    Returns:
        None when nothing finite was reported yet.
    """
    found = ranked(source.trials(), "best_value", "best_step", header.mode)
    value, step = "best_value", "best_step"
    if not len(found):
        found = ranked(source.reports(), header.metric, "step", header.mode)
        value, step = header.metric, "step"
    if not len(found):
        return None
    row = found.slice(0, 1).to_pylist()[0]
    config = configuration_of(row, header.value_types)
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


def kept_checkpoint(path: Location | None, trial: int, step: int) -> Location | None:
    """The directory of a trial's saved state at a step, if there is one; `path` is the sweep's directory."""
    if path is None:
        return None
    directory = SweepDirectory(path)
    checkpoints = Checkpoints.of(directory)
    return checkpoints.path(trial, step) if checkpoints.exists(trial, step) else None
