"""What the search has learnt, printed."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ..core.wording import show_share
from ..lessons import Lessons
from .console import show_value

_HEAD = 10
_BAR = 24


def lessons_view(lessons: Lessons, warnings: Sequence[str] = ()) -> RenderableType:
    """Where the search is looking, why, what matters, and what is wrong with the ranges: a line each, where known."""
    lines = [("looking", lessons.looking), ("why", lessons.why), ("matters", lessons.matters)]
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
        bar = "\N{FULL BLOCK}" * round(_BAR * share)
        grid.add_row(Text(name), Text(show_share(share), justify="right"), Text(bar, "green"))
    return grid


def lessons_as_dict(lessons: Lessons) -> dict[str, Any] | None:
    """The last insight as JSON; None before the first."""
    if lessons.insight is None:
        return None
    insight = lessons.insight
    return {
        "proposal": lessons.proposal,
        "region": insight.region.to_json(),
        "change": insight.change,
        "shares": dict(insight.shares),
    }
