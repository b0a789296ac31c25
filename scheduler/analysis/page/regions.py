"""Regions where the search looked, as bands over a page's plots of single hyperparameters."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa

from ....search_spaces import Domain, Value
from ..wording import show_share

_MOST_BANDS = 12
"""Number of the latest proposals, which are drawn one over the other."""

Band = tuple[float, float]


class PageRegions:
    """The regions of a sweep's proposals, hyperparameter by hyperparameter.

    Args:
        table: The regions, in the columns of `regions.parquet`.
    """

    def __init__(self, table: pa.Table) -> None:
        self._rows: dict[str, list[Mapping[str, Any]]] = {}
        for row in table.to_pylist():
            self._rows.setdefault(row["hyperparameter"], []).append(row)

    def panel(self, name: str, scale: str, domain: Domain | None) -> dict[str, Any]:
        """Contents of a panel besides the trials: a list of bands a proposal, the last one last, and the importance.

        Args:
            name: The hyperparameter.
            scale: The kind of its axis.
            domain: Its domain, where that is known.
        """
        rows = self._rows.get(name, [])
        if not rows:
            return {"bands": [], "importance": None}
        importance = rows[-1]["importance"]
        return {
            "bands": [_bands(row, scale, domain) for row in rows[-_MOST_BANDS:]],
            "importance": None if importance is None else show_share(importance),
        }


def _bands(row: Mapping[str, Any], scale: str, domain: Domain | None) -> list[Band]:
    """A region's stretches of an axis: one of numbers, or one around each option."""
    if scale == "options":
        return [(place - 0.5, place + 0.5) for place in _places(row, getattr(domain, "options", ()))]
    if row["low"] is None:
        return []
    low, high = row["low"], row["high"]
    return [(1 - high, 1 - low)] if scale == "inverse_log" else [(low, high)]


def _places(row: Mapping[str, Any], options: Sequence[Value]) -> Sequence[int]:
    """The options of a region by their places in the domain; none where the domain is not known."""
    written = [orjson.dumps(option) for option in options]
    if row["options"] is None:
        ends = [place for place, option in enumerate(options) if option in {row["low"], row["high"]}]
        return range(min(ends), max(ends) + 1) if ends else ()
    chosen = [orjson.dumps(option) for option in orjson.loads(row["options"])]
    return [place for place, option in enumerate(written) if option in chosen]
