"""The report parts of a sweep whose spec was edited: other columns or another goal, and still one schema for all."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from math import isfinite

import pyarrow as pa

from ...search_spaces import Value
from ..core.controllers.revision import RungValue
from ..core.trials.columns import CONFIG_PREFIX, EXTRA
from ..core.trials.goal import Mode
from ..core.trials.trial import TrialRow
from ..errors import InvalidSpecError, ResultsError
from ..storage.directory import SweepDirectory
from ..storage.durable import write_file
from ..storage.location import Location
from .configurations import configuration_table
from .found_parts import FoundPart
from .part_marks import PartMark
from .reports import expand_extra
from .rungs import best_so_far, last_to_rungs
from .schema import EXTRA_TYPE, SweepMetadata, metric_names, reports_schema, to_parquet
from .sealed import read_sealed, sealed_schema
from .writer import mark_as, report_parts


def merged_types(directory: SweepDirectory, value_types: Mapping[str, str]) -> dict[str, str]:
    """The value types of all hyperparameters that a sweep ever had: those of its reports, and its spec's.

    Raises:
        ResultsError: A name had values of another type, or differs from an earlier one only in case.
    """
    parts = report_parts(directory.results)
    found = dict(SweepMetadata.from_schema(sealed_schema(parts[0]), str(parts[0])).value_types) if parts else {}
    folded = {name.casefold(): name for name in found}
    for name, kind in value_types.items():
        earlier = folded.get(name.casefold(), name)
        if earlier != name or found.get(name, kind) != kind:
            raise ResultsError(
                f"space.{name}: the results have a column of {earlier!r} with values of the type {found[earlier]},"
                f" got {kind}; give the hyperparameter another name."
            )
    return {**found, **value_types}


def migrate_reports(
    directory: SweepDirectory,
    parts: Sequence[FoundPart],
    value_types: Mapping[str, str],
    goal: tuple[str, str],
    rows: Sequence[TrialRow],
    note: Callable[[Sequence[PartMark]], None],
) -> int:
    """Rewrites the parts that have another schema than those of the sweep as it is now, each atomically.

    A new column holds what the trials' configurations say, where they do. A metric that becomes the one that trials are
    compared by gets a column. Parts that are as they should be are left alone, so that this may be done again.

    Args:
        directory: The sweep's directory.
        parts: All parts, as they were found; reports may have been dropped from them since.
        value_types: The value types of all hyperparameters, from `merged_types`.
        goal: The metric that trials are compared by, and "min" or "max".
        rows: The table of trials.
        note: Called with the marks of the parts as they will be, before the first is rewritten.

    Returns:
        How many parts were rewritten.
    """
    if not parts:
        return 0
    metadata = SweepMetadata(
        *goal, dict(value_types), SweepMetadata.from_schema(parts[0].schema, str(parts[0].path)).version
    )
    metrics = dict.fromkeys([*(name for part in parts for name in metric_names(part.schema)), goal[0]])
    schema, configs = reports_schema(metadata, metrics), {row.trial: row.config for row in rows}
    other = [part.path for part in parts if not _same(part.schema, schema)]

    def migrated(part: Location) -> pa.Table:
        return _migrated(read_sealed(part), schema, metadata, configs)

    if other:
        note([mark_as(part, migrated(part)) for part in other])
    for part in other:
        write_file(part, to_parquet(migrated(part)), directory.staging)
    return len(other)


def _same(one: pa.Schema, other: pa.Schema) -> bool:
    # Not with `check_metadata`: Parquet names the entries of a map anew.
    return bool(one.equals(other)) and one.metadata == other.metadata


def _migrated(
    table: pa.Table, schema: pa.Schema, metadata: SweepMetadata, configs: Mapping[int, Mapping[str, Value]]
) -> pa.Table:
    new = {name: kind for name, kind in metadata.value_types.items() if CONFIG_PREFIX + name not in table.column_names}
    if new:
        trials = table["trial"].to_pylist()
        added = configuration_table([configs.get(trial, {}) for trial in trials], new)
        for field, column in zip(added.schema, added.columns, strict=True):
            table = table.append_column(field, column)
    for name in metric_names(schema):
        if name not in table.column_names:
            table = _out_of_extra(table, name)
    return table.select(schema.names).cast(schema)


def _out_of_extra(table: pa.Table, name: str) -> pa.Table:
    """The table with a column for a metric that some rows have in `extra`."""
    maps = [dict(row or ()) for row in table[EXTRA].to_pylist()]
    values = pa.array([metrics.pop(name, None) for metrics in maps], pa.float64())
    rest = pa.array([list(metrics.items()) or None for metrics in maps], EXTRA_TYPE)
    return table.drop_columns([EXTRA]).append_column(name, values).append_column(EXTRA, rest)


def values_at_rungs(
    directory: SweepDirectory, metric: str, mode: Mode, rows: Sequence[TrialRow]
) -> dict[int, list[RungValue]]:
    """The values of a metric wherever trials were compared, from the reports.

    Args:
        directory: The sweep's directory, whose reports are those of the rows.
        metric: The metric.
        mode: Whether it is minimised or maximised.
        rows: The table of trials.

    Raises:
        InvalidSpecError: A report at a rung has no finite value of it.
    """
    reached = {row.trial: row.rung for row in rows if row.rung >= 0}
    tables = [expand_extra(read_sealed(part)) for part in report_parts(directory.results)]
    if not tables or not reached:
        return {}
    table = pa.concat_tables(tables, promote_options="default").sort_by([("trial", "ascending"), ("step", "ascending")])
    if metric not in metric_names(table.schema):
        names = ", ".join(metric_names(table.schema))
        raise InvalidSpecError(f"metric: no report has {metric}; the reports have {names}.")
    found: dict[int, list[RungValue]] = defaultdict(list)
    compared = last_to_rungs(table)
    best = best_so_far(table, metric, mode)[compared].tolist()
    at_rungs = table.filter(pa.array(compared)).select(["trial", "rung", "step", metric])
    for row, reached_best in zip(at_rungs.to_pylist(), best, strict=True):
        trial, rung, step, value = row.values()
        if rung > reached.get(trial, -1):
            continue
        if value is None or not isfinite(value):
            raise InvalidSpecError(
                f"metric: trial {trial} was compared at step {step} and has no {metric} there; choose a metric that"
                " every report has."
            )
        found[trial].append(RungValue(rung, step, value, reached_best))
    return dict(found)
