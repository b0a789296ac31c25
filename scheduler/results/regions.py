"""The table of regions: where the search looked, proposal by proposal, and how much each hyperparameter mattered."""

from collections.abc import Mapping
from typing import Any

import orjson
import pyarrow as pa

from ..core.proposal import Insight
from ..core.region import Span
from ..storage.durable import write_file
from ..storage.location import Location
from .schema import REGIONS_SCHEMA, to_parquet


def regions_table(insights: Mapping[int, Insight]) -> pa.Table:
    """Insights as a table with the columns of `regions.parquet`: a row a proposal and hyperparameter.

    Args:
        insights: What was learnt on the way to each proposal, by its number.
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
        insights: What was learnt on the way to each proposal, by its number.
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
