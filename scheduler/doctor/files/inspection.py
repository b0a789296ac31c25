"""Reading the Parquet files of a sweep without trusting them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...core.proposers.proposal import Insight
from ...core.trials.trial import TrialRow
from ...errors import ResultsError
from ...results.part_marks import PartMark, part_number
from ...results.schema import SweepMetadata, reports_schema, to_parquet, with_parents
from ...results.sealed import decoded
from ...results.tables import regions_table, trials_table
from ...storage.location import Location

Rows = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class InspectedPart:
    """A report part that can be read.

    Attributes:
        path: The file.
        number: Its number.
        columns: Its columns, and the facts of the sweep in its metadata.
        trial: The trial of each report.
        step: The step of each report.
    """

    path: Location
    number: int
    columns: Any
    trial: npt.NDArray[np.int64]
    step: npt.NDArray[np.int64]


def inspect_part(path: Location, metadata: SweepMetadata) -> InspectedPart:
    """Reads a part in full.

    Args:
        path: The file.
        metadata: The sweep's.

    Raises:
        ResultsError: It cannot be read, or is no part of this sweep; the message begins with the problem.
    """
    table = _read(path)
    found = SweepMetadata.from_schema(table.schema, "it")
    for name in ("metric", "mode", "value_types"):
        if getattr(found, name) != getattr(metadata, name):
            raise ResultsError(f"has {name} {getattr(found, name)!r}, not {getattr(metadata, name)!r}")
    if not set(reports_schema(metadata, []).names) <= set(table.schema.names):
        raise ResultsError("lacks columns that every part has")
    keys = [table[name].to_numpy().astype(np.int64) for name in ("trial", "step")]
    number = part_number(path)
    assert number is not None, "only parts are inspected"
    return InspectedPart(path, number, table.schema.remove_metadata(), keys[0], keys[1])


def kept_rows(part: InspectedPart, keep: Rows) -> tuple[memoryview, PartMark]:
    """The content of a part with some of its rows, and its mark."""
    table = _read(part.path).filter(pa.array(keep))
    data = to_parquet(table)
    return data, PartMark.of(part.number, len(table), data)


def empty_part(like: InspectedPart, number: int) -> tuple[memoryview, PartMark]:
    """The content of a part without rows, with the columns of another part, and its mark."""
    data = to_parquet(_read(like.path).schema.empty_table())
    return data, PartMark.of(number, 0, data)


def trials_fault(path: Location, rows: Sequence[TrialRow], value_types: Mapping[str, str]) -> str | None:
    """The fault of a file that should be the table of these trials; None if it has none."""
    return _difference(path, trials_table(rows, value_types))


def regions_fault(path: Location, insights: Mapping[int, Insight]) -> str | None:
    """The fault of a file that should be the table of these insights; None if it has none."""
    return _difference(path, regions_table(insights))


def steps_in_trials(path: Location) -> int:
    """Number of steps that all trials of `trials.parquet` have been trained; 0 where it cannot be read."""
    try:
        return int(np.sum(_read(path)["step"].to_numpy()))
    except (ResultsError, KeyError, TypeError, ValueError):
        return 0


def _difference(path: Location, expected: pa.Table) -> str | None:
    try:
        found = with_parents(_read(path))
    except ResultsError as error:
        return str(error)
    if not found.schema.equals(expected.schema):
        return "has other columns than the table has in this sweep"
    if found.equals(expected):
        return None
    return f"does not say what the journal says ({len(found):,} rows there, {len(expected):,} by the journal)"


def _read(path: Location) -> pa.Table:
    try:
        return decoded(path.read_bytes())
    except FileNotFoundError:
        raise ResultsError("is missing") from None
    except (OSError, pa.ArrowException) as error:
        raise ResultsError(f"cannot be read ({' '.join(str(error).split())[:120]})") from None
