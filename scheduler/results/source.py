"""Sources of a result set's tables: a sweep's directory, or memory."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa

from ..errors import ResultsError
from ..storage.directory import SweepDirectory
from ..storage.location import Location, read_several
from ..storage.object_path import ObjectPath
from .reports import expand_extra
from .schema import (
    REGIONS_SCHEMA,
    SweepMetadata,
    check_columns,
    metric_names,
    reports_schema,
    trials_schema,
    with_parents,
)
from .sealed import read_sealed, sealed_bytes, sealed_schema, table_of
from .writer import report_parts

_ORDER: list[tuple[str, Literal["ascending", "descending"]]] = [("trial", "ascending"), ("step", "ascending")]


class Source(Protocol):
    """The tables of a sweep, as they are at the time of each call."""

    @property
    def path(self) -> Location | None:
        """The sweep's directory, if there is one."""

    def trials(self) -> pa.Table:
        """The table of trials."""

    def reports(self) -> pa.Table:
        """All reports by trial and step, with a column a metric."""

    def report(self, trial: int, step: int) -> pa.Table | None:
        """The report of a trial at a step, a row in the columns of the report parts; None where there is none."""

    def regions(self) -> pa.Table:
        """The insights gained on the way to each proposal."""

    def define_views(self, connection: Any) -> None:
        """Define `trials`, `reports` and `regions` in a DuckDB connection."""


class DirectorySource:
    """The files of a sweep's directory, which may still grow.

    Args:
        path: The sweep's directory.

    Raises:
        ResultsError: There are no results in it.
    """

    def __init__(self, path: Location) -> None:
        self._directory = SweepDirectory(path)
        first = self._parts()[0]
        self.metadata = SweepMetadata.from_schema(sealed_schema(first), str(first))

    @property
    def path(self) -> Location:
        """The sweep's directory."""
        return self._directory.path

    def trials(self) -> pa.Table:
        """`trials.parquet`; a table without rows if the file is not there."""
        if not self._directory.trials.is_file():
            return trials_schema(self.metadata.value_types).empty_table()
        path, expected = self._directory.trials, trials_schema(self.metadata.value_types)
        return check_columns(with_parents(read_sealed(path)), expected, str(path)).sort_by("trial")

    def reports(self) -> pa.Table:
        """The rows of all parts by trial and step, with a column a metric."""
        return expand_extra(self._stored_reports().sort_by(_ORDER))

    def report(self, trial: int, step: int) -> pa.Table | None:
        """The report of a trial at a step, of whose part alone all columns are read."""
        found = read_several(self._parts(), lambda part: self._report_in(part, trial, step))
        return next((row for row in found if row is not None), None)

    def regions(self) -> pa.Table:
        """`regions.parquet`; a table without rows if the file is not there."""
        if not self._directory.regions.is_file():
            return REGIONS_SCHEMA.empty_table()
        return check_columns(read_sealed(self._directory.regions), REGIONS_SCHEMA, str(self._directory.regions))

    def define_views(self, connection: Any) -> None:
        """Define the views on the files themselves: a query reads only the columns it names.

        DuckDB reads object stores by an extension that it downloads first; theirs are read before the query.
        """
        if isinstance(self.path, ObjectPath):
            connection.register("reports", self._stored_reports())
            connection.register("trials", self.trials())
            connection.register("regions", self.regions())
            return
        parts = self._parts()
        for part in parts:
            sealed_bytes(part)
        _create_view(connection, "reports", parts)
        for name, path, read in (
            ("trials", self._directory.trials, self.trials),
            ("regions", self._directory.regions, self.regions),
        ):
            if path.is_file() and (name != "trials" or "parent" in sealed_schema(path).names):
                sealed_bytes(path)
                _create_view(connection, name, [path])
            else:
                connection.register(name, read())

    def _stored_reports(self) -> pa.Table:
        """The rows of all parts, as they are in them."""
        parts = self._parts()
        tables = read_several(parts, self._part)
        for part, table in zip(parts, tables, strict=True):
            check_columns(table, tables[0].schema, str(part))
        return pa.concat_tables(tables)

    def _report_in(self, path: Location, trial: int, step: int) -> pa.Table | None:
        data = sealed_bytes(path)
        if _at(table_of(path, data, ["trial", "step"]), trial, step) is None:
            return None
        return _at(self._checked_part(path, table_of(path, data)), trial, step)

    def _part(self, path: Location) -> pa.Table:
        return self._checked_part(path, read_sealed(path))

    def _checked_part(self, path: Location, table: pa.Table) -> pa.Table:
        metadata = SweepMetadata.from_schema(table.schema, str(path))
        return check_columns(table, reports_schema(metadata, metric_names(table.schema)), str(path))

    def _parts(self) -> list[Location]:
        parts = report_parts(self._directory.results)
        if not parts:
            if self._directory.spec.is_file():
                raise ResultsError(f"{self._directory.path}: the sweep has no results yet; it has not begun.")
            raise ResultsError(
                f"{self._directory.path} holds no results: give the directory of a sweep, "
                f"the one with results/part-000000.parquet in it."
            )
        return parts


class TableSource:
    """Tables in memory.

    Args:
        trials: In the columns of `trials.parquet`.
        reports: In the columns of the report parts; or what makes the table, when it is read for the first time.
        regions: In the columns of `regions.parquet`.
    """

    def __init__(self, trials: pa.Table, reports: pa.Table | Callable[[], pa.Table], regions: pa.Table) -> None:
        self._trials, self._regions = trials.sort_by("trial"), regions
        self._made = reports

    @property
    def path(self) -> None:
        """There is no directory."""
        return None

    def trials(self) -> pa.Table:
        """The table of trials."""
        return self._trials

    def reports(self) -> pa.Table:
        """All reports by trial and step, with a column a metric."""
        return expand_extra(self._sorted_reports())

    def report(self, trial: int, step: int) -> pa.Table | None:
        """The report of a trial at a step."""
        return _at(self._sorted_reports(), trial, step)

    def regions(self) -> pa.Table:
        """The insights gained on the way to each proposal."""
        return self._regions

    def define_views(self, connection: Any) -> None:
        """Define the views on the tables."""
        connection.register("regions", self._regions)
        connection.register("trials", self._trials)
        connection.register("reports", self._sorted_reports())

    def _sorted_reports(self) -> pa.Table:
        if callable(self._made):
            self._made = self._made()
        return self._made.sort_by(_ORDER)


def _at(reports: pa.Table, trial: int, step: int) -> pa.Table | None:
    """The row of a trial and step; None where there is none."""
    # Not by `to_numpy`, which imports pandas where that is installed.
    trials, steps = (np.from_dlpack(reports[name].combine_chunks()) for name in ("trial", "step"))
    place = np.flatnonzero((trials == trial) & (steps == step))
    return reports.slice(int(place[0]), 1) if len(place) else None


def _create_view(connection: Any, name: str, files: Sequence[Location]) -> None:
    # Without the option, a folder such as `lr=3` in the path would become a column.
    connection.read_parquet([str(path) for path in files], hive_partitioning=False).create_view(name)
