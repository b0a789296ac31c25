"""Writing reports to the ledger: closed, immutable Parquet parts of one schema, readable from the first second."""

from collections.abc import Mapping

import pyarrow as pa

from ...search_spaces import Value
from ..core.trials.reports import ReportBatch
from ..errors import ResultsError
from ..storage.directory import SweepDirectory
from ..storage.durable import list_files, write_file
from ..storage.location import Location
from .part_marks import PartMark, part_number, part_path
from .reports import ReportBuffer
from .schema import SweepMetadata, metric_names, reports_schema, to_parquet
from .sealed import sealed_schema


class ReportWriter:
    """Writes the reports of one sweep; one process at a time, under the sweep's lock, and one thread.

    The first part has no rows, so that the files can be queried before anything was reported. The first flush fixes
    the columns: all metrics seen by then have their own; later names go into the column `extra`, a map.

    Args:
        directory: The sweep's directory, with its folders made.
        value_types: The value type of each hyperparameter.
        metric: The metric that trials are compared by.
        mode: "min" or "max".

    Raises:
        InvalidSpecError: The metric has the name of another column, or `mode` is unknown.
        ResultsError: The directory holds results of another metric or other hyperparameters.
    """

    def __init__(
        self, directory: SweepDirectory, value_types: Mapping[str, str], metric: str, mode: str = "min"
    ) -> None:
        self._directory = directory
        metadata = SweepMetadata.of(metric, mode, value_types)
        self._buffer = ReportBuffer(metadata)
        self._marks: list[PartMark] = []
        parts = report_parts(directory.results)
        if parts:
            self._schema = _continued(parts[0], metadata)
            self._next = _number(parts[-1]) + 1
        else:
            self._schema = reports_schema(metadata, [metric])
            self._write_part(0, self._schema.empty_table())
            self._next = 1

    @property
    def rows_buffered(self) -> int:
        """Number of reports that wait for a flush."""
        return len(self._buffer)

    def register(self, trial: int, config: Mapping[str, Value]) -> None:
        """Note a trial's configuration, before its first report."""
        self._buffer.register(trial, config)

    def append(self, batch: ReportBatch) -> None:
        """Add reports to what the next flush writes; the batch's arrays must not change afterwards."""
        self._buffer.append(batch)

    def flush(self) -> Location | None:
        """Write the buffered reports as one part; they are durable when this returns.

        Returns:
            The part, or None when nothing was buffered.
        """
        if not len(self._buffer):
            return None
        if self._next == 1:
            self._widen()
        path = self._write_part(self._next, self._buffer.table(self._schema))
        self._next += 1
        self._buffer.clear()
        return path

    def drain_marks(self) -> list[PartMark]:
        """The marks of the parts written since the last call, for the journal."""
        marks, self._marks = self._marks, []
        return marks

    def _widen(self) -> None:
        """Give every metric seen so far a column, in the part without rows before any other part can be seen."""
        metrics = dict.fromkeys([*metric_names(self._schema), *self._buffer.metrics()])
        schema = reports_schema(self._buffer.metadata, metrics)
        if not schema.equals(self._schema):
            self._write_part(0, schema.empty_table())
            self._schema = schema

    def _write_part(self, number: int, table: pa.Table) -> Location:
        path, data = part_path(self._directory.results, number), to_parquet(table)
        write_file(path, data, self._directory.staging)
        self._marks.append(PartMark.of(number, len(table), data))
        return path


def report_parts(results: Location) -> list[Location]:
    """The report parts in a folder, in the order they were written."""
    return sorted(list_files(results, ".parquet"), key=_number)


def mark_as(path: Location, table: pa.Table) -> PartMark:
    """The mark that a part will have when it holds this table."""
    return PartMark.of(_number(path), len(table), to_parquet(table))


def _continued(first: Location, metadata: SweepMetadata) -> pa.Schema:
    """The schema of an existing ledger, if it is one that this sweep can go on with."""
    schema = sealed_schema(first)
    found = SweepMetadata.from_schema(schema, str(first))
    for name in ("metric", "mode", "value_types"):
        if getattr(found, name) != getattr(metadata, name):
            raise ResultsError(
                f"{first.parent} holds results with {name} {getattr(found, name)!r}, not {getattr(metadata, name)!r}: "
                f"give the changed sweep a directory of its own."
            )
    return schema


def _number(part: Location) -> int:
    number = part_number(part)
    if number is None:
        raise ResultsError(
            f"{part} is not one of Caviar's files: only parts may lie in {part.parent}; move it elsewhere."
        )
    return number
