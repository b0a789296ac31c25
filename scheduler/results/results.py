"""The results that a person reads from a sweep: its tables, queries over them, and the best configuration."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import pyarrow as pa

from ...search_spaces.values import cut, show
from ..core.trials.columns import EXTRA
from ..errors import ResultsError, StorageError, SweepError
from ..storage.location import Location, locate
from .best import Best
from .display import results_as_html, results_as_text
from .ranking import find_best
from .schema import REGIONS_SCHEMA, SweepMetadata, metric_names
from .source import DirectorySource, Source, TableSource


class Results:
    """The results of a sweep, finished or still running.

    Nothing is cached: each call reads the files as they are then. `Results.open` and `Results.from_tables` make one.
    """

    def __init__(self, source: Source, metadata: SweepMetadata) -> None:
        self._source = source
        self._metadata = metadata

    @classmethod
    def open(cls, path: str | Location) -> "Results":
        """Open the results in a sweep's directory, or in a copy of it; `results/` alone is enough.

        Args:
            path: The sweep's directory, or its URI.

        Raises:
            ResultsError: There are no results in it.
        """
        try:
            source = DirectorySource(locate(path))
        except (SweepError, OSError) as error:
            raise error if isinstance(error, ResultsError | StorageError) else ResultsError(str(error)) from None
        return cls(source, source.metadata)

    @classmethod
    def from_tables(
        cls,
        trials: pa.Table,
        reports: pa.Table | Callable[[], pa.Table],
        metric: str,
        mode: str,
        value_types: Mapping[str, str],
        regions: pa.Table | None = None,
    ) -> "Results":
        """Results that are only in memory, as a simulation's.

        Args:
            trials: In the columns of `trials.parquet`.
            reports: In the columns of the report parts; or what makes the table, when it is read for the first time.
            metric: The metric that trials are compared by.
            mode: "min" or "max".
            value_types: The value type of each hyperparameter.
            regions: In the columns of `regions.parquet`; none if None.
        """
        regions = REGIONS_SCHEMA.empty_table() if regions is None else regions
        return cls(TableSource(trials, reports, regions), SweepMetadata.of(metric, mode, value_types))

    @property
    def path(self) -> Location | None:
        """The sweep's directory; None for results in memory."""
        return self._source.path

    @property
    def metric(self) -> str:
        """The metric that trials are compared by."""
        return self._metadata.metric

    @property
    def mode(self) -> str:
        """The direction of the metric: "min" where it is to be small, "max" where it is to be large."""
        return self._metadata.mode

    @property
    def value_types(self) -> Mapping[str, str]:
        """Types of hyperparameters: "float", "integer", "boolean", "string" or "json" (a column of JSON texts)."""
        return self._metadata.value_types

    @property
    def best(self) -> Best:
        """The trial with the best value at any rung; ties go to the lower trial.

        Before the first trial has reached a rung it is the trial with the best report.

        Raises:
            ResultsError: Nothing has been reported yet.
        """
        best = find_best(self._source, self._metadata)
        if best is None:
            raise ResultsError(f"No trial has reported a finite {self.metric} yet: there is no best configuration.")
        return best

    def trials(self) -> pa.Table:
        """The table of trials, by number: state, rung, values, error and configuration of each."""
        return self._source.trials()

    def reports(self) -> pa.Table:
        """All reports by trial and step, with a column a metric.

        A step has one row: a later `attempt` that trains it again after a failure does not report it again.
        """
        return self._source.reports()

    def regions(self) -> pa.Table:
        """Regions searched: a row a proposal and hyperparameter, in order; none where no model proposed.

        `proposal` is the number of the bracket that was proposed.
        """
        return self._source.regions()

    def metrics_at(self, trial: int, step: int) -> dict[str, float]:
        """The metrics that a trial reported at a step, by name; none where it did not report.

        Args:
            trial: The trial's number.
            step: The step.
        """
        found = self._source.report(trial, step)
        if found is None:
            return {}
        row = found.select([*metric_names(found.schema), EXTRA]).to_pylist()[0]
        others = dict(row.pop(EXTRA) or ())
        metrics = row | others
        return {name: float(value) for name, value in metrics.items() if value is not None}

    def to_pandas(self, table: str = "trials") -> Any:
        """The table "trials", "reports" or "regions" as a pandas DataFrame.

        Raises:
            ResultsError: pandas is not installed, or there is no table of that name.
        """
        _require("pandas")
        return self._table(table).to_pandas()

    def to_polars(self, table: str = "trials") -> Any:
        """The table "trials", "reports" or "regions" as a polars DataFrame.

        Raises:
            ResultsError: polars is not installed, or there is no table of that name.
        """
        return _require("polars").from_arrow(self._table(table))

    def sql(self, query: str) -> pa.Table:
        """Run a DuckDB query over the views `trials`, `reports` and `regions`.

        The views are the files as they lie on the disk: metrics without a column are in the map `extra`.

        Args:
            query: One statement that returns rows.

        Raises:
            ResultsError: DuckDB refuses the query; the message is its own.
        """
        import duckdb  # noqa: PLC0415 most commands ask it nothing

        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            try:
                self._source.define_views(connection)
                answer = connection.sql(query)
                if answer is None:
                    raise ResultsError(f"The query {query!r} returns no rows: give a select statement.")
                return answer.to_arrow_table()
            except duckdb.Error as error:
                raise ResultsError(f"The query cannot be run: {cut(str(error), 1000)}") from error

    def _table(self, name: str) -> pa.Table:
        tables = {"trials": self.trials, "reports": self.reports, "regions": self.regions}
        if not isinstance(name, str) or name not in tables:
            raise ResultsError(f"There is no table {show(name)}: it must be 'trials', 'reports' or 'regions'.")
        return tables[name]()

    def __repr__(self) -> str:
        return results_as_text(self._source, self._metadata)

    def _repr_html_(self) -> str:
        return results_as_html(self._source, self._metadata)


def _require(library: str) -> Any:
    try:
        return import_module(library)
    except ModuleNotFoundError as error:
        raise ResultsError(f"{library} is not installed: pip install 'caviar[{library}]'.") from error
