"""Brackets: those that are planned, and how full each of their rungs is."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ...analysis.progress import BracketProgress, Progress
from ...core.controllers.schedule import Plan
from .console import plain_table, plural, show_count

_BAR = 8


def plan_table(plan: Plan, first: int = 0) -> Table:
    """A line for each run of equal brackets: their numbers, the trials at each rung, and what one costs.

    Args:
        plan: The brackets.
        first: The number of the first.
    """
    levels = sorted({level for bracket in plan.brackets for level in bracket.levels})
    table = plain_table("bracket", *(f"at {level:,}" for level in levels), f"{plan.resource.unit}s each")
    for number, (bracket, following) in enumerate(zip(plan.brackets, (*plan.brackets[1:], None), strict=True), first):
        if following == bracket:
            continue
        sizes = dict(zip(bracket.levels, bracket.sizes, strict=True))
        cells = [f"{sizes[level]:,}" if level in sizes else "" for level in levels]
        table.add_row(str(number) if first == number else f"{first}-{number}", *cells, f"{bracket.cost:,}")
        first = number + 1
    return table


def bracket_view(progress: Progress, unit: str, most: int) -> RenderableType:
    """The brackets, or only the open ones where they are many, and the number of the finished ones.

    Args:
        progress: The sweep's progress.
        unit: The name of a step.
        most: Brackets to show at most, the latest ones.
    """
    shown = list(progress.brackets)
    if len(shown) > most:
        shown = [bracket for bracket in shown if not bracket.finished][-most:] or shown[-1:]
    finished = sum(bracket.finished for bracket in progress.brackets)
    count = f"{show_count(finished, progress.planned_brackets)} brackets finished"
    return Group(_bracket_table(shown, unit), Text(count, "dim"))


def _bracket_table(brackets: Sequence[BracketProgress], unit: str) -> Table:
    """A line for each bracket, with the results at each of its rungs."""
    levels = sorted({rung.level for bracket in brackets for rung in bracket.rungs})
    table = plain_table("bracket", *(plural(level, unit) for level in levels))
    for bracket in brackets:
        rungs = {rung.level: rung for rung in bracket.rungs}
        cells: list[RenderableType] = []
        for level in levels:
            rung = rungs.get(level)
            cells.append("" if rung is None else _fill(rung.results, rung.planned))
        table.add_row(str(bracket.number), *cells)
    return table


def _fill(done: int, planned: int) -> Table:
    grid = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=planned, completed=min(done, planned), width=_BAR, style="dim", finished_style="green")
    grid.add_row(bar, Text(f"{done:,}/{planned:,}", "" if done else "dim"))
    return grid
