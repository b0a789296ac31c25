"""The tables of trials and of regions, each replaced as a whole."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa

from ..core.proposers.proposal import Insight
from ..core.proposers.region import Span
from ..core.trials.trial import TrialRow
from ..storage.durable import write_file
from ..storage.location import Location
from .configurations import configuration_table
from .schema import REGIONS_SCHEMA, to_parquet, trials_schema


def trials_table(rows: Sequence[TrialRow], value_types: Mapping[str, str]) -> pa.Table:
    """Trials as a table with the columns of `trials.parquet`, in the order given."""
    schema = trials_schema(value_types)
    columns = {
        "trial": [row.trial for row in rows],
        "state": [row.state.value for row in rows],
        "bracket": [row.bracket for row in rows],
        "rung": [row.rung for row in rows],
        "step": [row.step for row in rows],
        "seed": [row.seed for row in rows],
        "parent": [None if row.parent is None else row.parent.trial for row in rows],
        "parent_step": [None if row.parent is None else row.parent.step for row in rows],
        "attempt": [row.attempt for row in rows],
        "value": [row.value for row in rows],
        "best_value": [row.best_value for row in rows],
        "best_step": [row.best_step for row in rows],
        "elapsed_s": [row.elapsed_s for row in rows],
        "error": [_utf8(row.error) for row in rows],
    }
    arrays = [pa.array(values, schema.field(name).type, from_pandas=True) for name, values in columns.items()]
    configs = configuration_table([row.config for row in rows], value_types)
    return pa.Table.from_arrays([*arrays, *configs.columns], schema=schema)


def write_trials(path: Location, rows: Sequence[TrialRow], value_types: Mapping[str, str], staging: Location) -> None:
    """Replace `trials.parquet` atomically and durably; with no rows it has the same columns.

    Args:
        path: The file.
        rows: All trials of the sweep.
        value_types: The value type of each hyperparameter.
        staging: A folder on the same filesystem.
    """
    write_file(path, to_parquet(trials_table(rows, value_types)), staging)


def _utf8(text: str | None) -> str | None:
    """The text with "?" for what UTF-8 cannot hold: tracebacks quote file names, and those can be any bytes."""
    return None if text is None else text.encode("utf-8", "replace").decode()


def regions_table(insights: Mapping[int, Insight]) -> pa.Table:
    """Insights as a table with the columns of `regions.parquet`: a row a proposal and hyperparameter.

    Args:
        insights: The insights gained on the way to each proposal, by its number.
    """
    rows = [
        {"proposal": number, "hyperparameter": name, **_columns(span)}
        | {"importance": insight.shares.get(name), "change": insight.change}
        for number, insight in insights.items()
        for name, span in insight.region.spans.items()
    ]
    return pa.Table.from_pylist(rows, schema=REGIONS_SCHEMA)


def write_regions(path: Location, insights: Mapping[int, Insight], staging: Location) -> None:
    """Replace `regions.parquet` atomically and durably; without insights it has the same columns and no rows.

    Args:
        path: The file.
        insights: The insights gained on the way to each proposal, by its number.
        staging: A folder on the same filesystem.
    """
    write_file(path, to_parquet(regions_table(insights)), staging)


def _columns(span: Span) -> dict[str, Any]:
    """The span's values as numbers, or as JSON where they are none."""
    ends = (span.low, span.high)
    if not span.options and all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends):
        return {"low": ends[0], "high": ends[1], "options": None, "share": span.share}
    options = span.options or ends
    return {"low": None, "high": None, "options": orjson.dumps(list(options)).decode(), "share": span.share}
