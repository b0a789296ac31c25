"""Reports gathered in memory, and the Arrow table they become."""

import logging
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ...search_spaces import Value
from ..core.trials.columns import EXTRA, is_reserved
from ..core.trials.reports import CurveSegment, CurveSegments, ReportBatch
from .configurations import Configurations
from .schema import EXTRA_TYPE, SweepMetadata, metric_names, reports_schema

_logger = logging.getLogger(__name__)


class ReportBuffer:
    """Reports waiting to become a table, and the configurations that are joined to them. For one thread.

    Args:
        metadata: The sweep's metadata.
    """

    def __init__(self, metadata: SweepMetadata) -> None:
        self.metadata = metadata
        self._configurations = Configurations(metadata.value_types)
        self._batches: list[ReportBatch] = []
        self._rows = 0
        self._warned: set[str] = set()

    def __len__(self) -> int:
        return self._rows

    def register(self, trial: int, config: Mapping[str, Value]) -> None:
        """Note a trial's configuration, before its first report."""
        self._configurations.register(trial, config)

    def append(self, batch: ReportBatch) -> None:
        """Add reports; the batch's arrays must not change afterwards."""
        self._batches.append(batch)
        self._rows += len(batch)

    def clear(self) -> None:
        """Forget the reports, but not the configurations."""
        self._batches = []
        self._rows = 0

    def metrics(self) -> list[str]:
        """The names of the metrics in the reports that can have a column of their own."""
        names = dict.fromkeys(name for batch in self._batches for name in batch.metrics)
        return [name for name in names if not is_reserved(name)]

    def table(self, schema: pa.Schema) -> pa.Table:
        """The reports by trial and step, in the columns of `reports_schema`.

        Metrics for which the schema has no column go to `extra`, with one warning a name. NaN becomes null.
        The order makes the files a third smaller: neighbouring rows share their configuration.
        """
        batch = ReportBatch.concatenate(self._batches)
        own = metric_names(schema)
        others = [name for name in batch.metrics if name not in own]
        self._warn(others)
        absent = pa.nulls(len(batch), pa.float64())
        arrays: list[pa.Array] = [
            *(pa.array(values) for values in (batch.trial, batch.attempt, batch.bracket, batch.rung, batch.step)),
            pa.array(batch.time, pa.int64()).view(pa.timestamp("us", tz="UTC")),
            pa.array(batch.elapsed_s),
            *self._configurations.take(batch.trial),
            *(_without_nan(batch.metrics[name]) if name in batch.metrics else absent for name in own),
            _extra({name: batch.metrics[name] for name in others}, len(batch)),
        ]
        return pa.Table.from_arrays(arrays, schema=schema).take(np.lexsort((batch.step, batch.trial)))

    def _warn(self, others: Sequence[str]) -> None:
        for name in others:
            if name not in self._warned:
                self._warned.add(name)
                reason = "is the name of another column" if is_reserved(name) else "was not in the first reports"
                _logger.warning("Metric %r %s: it is kept in the column %r.", name, reason, EXTRA)


class ReportTable:
    """A sweep's reports kept in memory, where there is no directory to write to, as in a simulation.

    Args:
        value_types: The value type of each hyperparameter.
        metric: The metric that trials are compared by.
        mode: "min" or "max".
    """

    def __init__(self, value_types: Mapping[str, str], metric: str, mode: str) -> None:
        self._buffer = ReportBuffer(SweepMetadata.of(metric, mode, value_types))
        self._segments = CurveSegments()

    def register(self, trial: int, config: Mapping[str, Value]) -> None:
        """Note a trial's configuration, before its first report."""
        self._buffer.register(trial, config)

    def append(self, batch: ReportBatch) -> None:
        """Add reports; the batch's arrays must not change afterwards."""
        self._buffer.append(batch)

    def extend(self, segments: Iterable[CurveSegment]) -> None:
        """Add reports of the metric that trials are compared by."""
        for segment in segments:
            self._segments.append(segment)

    def table(self) -> pa.Table:
        """All reports by trial and step, in the columns of the Parquet parts."""
        metadata = self._buffer.metadata
        if len(self._segments):
            self._buffer.append(self._segments.batch(metadata.metric))
            self._segments = CurveSegments()
        return self._buffer.table(reports_schema(metadata, dict.fromkeys([metadata.metric, *self._buffer.metrics()])))


def expand_extra(table: pa.Table) -> pa.Table:
    """Replace the column `extra` by one column a name in it; `metric_<name>` where the name is taken."""
    extra = table[EXTRA].combine_chunks().cast(pa.list_(pa.struct([("key", pa.string()), ("value", pa.float64())])))
    table = table.drop_columns([EXTRA])
    rows = pc.list_parent_indices(extra).to_numpy()
    keys, values = (pc.struct_field(pc.list_flatten(extra), name) for name in ("key", "value"))
    for name in sorted(pc.unique(keys).to_pylist()):
        column = np.full(len(table), np.nan)
        chosen = pc.equal(keys, name).to_numpy(zero_copy_only=False)
        column[rows[chosen]] = values.to_numpy(zero_copy_only=False)[chosen]
        free = name
        while free in table.column_names:
            free = f"metric_{free}"
        table = table.append_column(free, _without_nan(column))
    return table


def _without_nan(values: npt.NDArray[np.float64]) -> pa.Array:
    return pa.array(values, pa.float64(), from_pandas=True)


def _extra(metrics: Mapping[str, npt.NDArray[np.float64]], n: int) -> pa.Array:
    """For each of n reports a map from names to values, null where the report has none of them."""
    if not metrics:
        return pa.nulls(n, EXTRA_TYPE)
    values = np.stack(list(metrics.values()), axis=1)
    present = ~np.isnan(values)
    counts = present.sum(axis=1)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    empty = np.append(counts == 0, False)  # a null offset makes its entry null
    keys = pa.array(list(metrics), pa.string()).take(np.nonzero(present)[1])
    return pa.MapArray.from_arrays(
        pa.array(offsets, pa.int32(), mask=empty), keys, pa.array(values[present], pa.float64())
    )
