"""The lines on what the search has learnt, as commands print them."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ...analysis.insights import SearchSummary
from ...analysis.wording import show_share
from .console import show_value

_HEAD = 10
_SHARE_BAR = 24


def search_summary_view(summary: SearchSummary, warnings: Sequence[str] = ()) -> RenderableType:
    """The search, a line each where known: its place, its reason, what matters, and what is wrong with the ranges."""
    lines = [("looking", summary.looking), ("why", summary.why), ("matters", summary.matters)]
    lines += [("warning", warning) for warning in warnings]
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(min_width=_HEAD - 1, no_wrap=True)
    for head, line in lines:
        if line is not None:
            grid.add_row(Text(head, "yellow" if head == "warning" else ""), Text(show_value(line)))
    return grid


def importance_view(shares: Mapping[str, float]) -> RenderableType:
    """A line a hyperparameter, with its share of all that they account for."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, share in shares.items():
        bar = "\N{FULL BLOCK}" * round(_SHARE_BAR * share)
        grid.add_row(Text(name), Text(show_share(share), justify="right"), Text(bar, "green"))
    return grid


def insight_as_dict(summary: SearchSummary) -> dict[str, Any] | None:
    """The last insight as JSON; None before the first."""
    if summary.insight is None:
        return None
    insight = summary.insight
    return {
        "proposal": summary.proposal,
        "region": insight.region.to_json(),
        "change": insight.change,
        "shares": dict(insight.shares),
    }
