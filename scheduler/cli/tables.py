"""Tables of brackets and of trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..core.schedule import Plan
from ..progress import BracketProgress, Progress
from .console import plural, show_config, show_count, show_value

_BAR = 8
_ANY_WIDTH = 10_000
_STATE_STYLES = {"running": "cyan", "completed": "green", "failed": "red", "diverged": "yellow"}


def plan_table(plan: Plan, first: int = 0) -> Table:
    """A line for each run of equal brackets: their numbers, the trials at each rung, and what one costs.

    Args:
        plan: The brackets.
        first: The number of the first.
    """
    levels = sorted({level for bracket in plan.brackets for level in bracket.levels})
    table = _table("bracket", *(f"at {level:,}" for level in levels), f"{plan.resource.unit}s each")
    for number, (bracket, following) in enumerate(zip(plan.brackets, (*plan.brackets[1:], None), strict=True), first):
        if following == bracket:
            continue
        sizes = dict(zip(bracket.levels, bracket.sizes, strict=True))
        cells = [f"{sizes[level]:,}" if level in sizes else "" for level in levels]
        table.add_row(str(number) if first == number else f"{first}-{number}", *cells, f"{bracket.cost:,}")
        first = number + 1
    return table


def bracket_view(progress: Progress, unit: str, most: int) -> RenderableType:
    """The brackets, or where they are many those that are open, and how many are finished.

    Args:
        progress: How far the sweep is.
        unit: What a step is called.
        most: How many to show at most, the latest ones.
    """
    shown = list(progress.brackets)
    if len(shown) > most:
        shown = [bracket for bracket in shown if not bracket.finished][-most:] or shown[-1:]
    finished = sum(bracket.finished for bracket in progress.brackets)
    count = f"{show_count(finished, progress.planned_brackets)} brackets finished"
    return Group(_bracket_table(shown, unit), Text(count, "dim"))


def _bracket_table(brackets: Sequence[BracketProgress], unit: str) -> Table:
    """A line a bracket: how full each of its rungs is."""
    levels = sorted({rung.level for bracket in brackets for rung in bracket.rungs})
    table = _table("bracket", *(plural(level, unit) for level in levels))
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


@dataclass(frozen=True, slots=True)
class TrialColumns:
    """What the table of trials needs to know of its sweep.

    Attributes:
        metric: The sweep's metric.
        unit: What a step is called.
        names: The hyperparameters.
    """

    metric: str
    unit: str
    names: Sequence[str]


def trials_table(rows: Sequence[Mapping[str, Any]], columns: TrialColumns, console: Console) -> Table:
    """Trials, a line each, with a column a hyperparameter where the console is wide enough, else with one for all.

    Args:
        rows: Trials as `trial_rows` gives them.
        columns: What the sweep's columns are called.
        console: Where the table will be printed.
    """
    wide = _trials_table(rows, columns, apart=True)
    if console.measure(wide, options=console.options.update(max_width=_ANY_WIDTH)).maximum <= console.width:
        return wide
    return _trials_table(rows, columns, apart=False)


def _trials_table(rows: Sequence[Mapping[str, Any]], columns: TrialColumns, *, apart: bool) -> Table:
    names = columns.names if apart else ["configuration"]
    errors = any(row["error"] for row in rows)
    table = _table("trial", "state", columns.metric, columns.unit, *names, *(["error"] if errors else []))
    for row in rows:
        config = row["config"]
        values: list[RenderableType] = [show_config(config)]
        if apart:
            values = [show_value(config[name]) if name in config else "" for name in names]
        value, step = (
            (row["value"], row["step"]) if row["best_value"] is None else (row["best_value"], row["best_step"])
        )
        last_line = [_last_line(row["error"])] if errors else []
        cells = ["" if value is None else show_value(value), str(step), *values, *last_line]
        table.add_row(str(row["trial"]), Text(row["state"], _STATE_STYLES.get(row["state"], "")), *cells)
    return table


def _last_line(error: str | None) -> str:
    lines = (error or "").strip().splitlines()
    return show_value(lines[-1][:200]) if lines else ""


def _table(*heads: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(Text(head), overflow="fold")
    return table
