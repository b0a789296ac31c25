"""Tables of trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from .console import plain_table, show_config, show_value

_ANY_WIDTH = 10_000
_STATE_STYLES = {"running": "cyan", "completed": "green", "failed": "red", "diverged": "yellow"}


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
    if console.width >= _ANY_WIDTH:  # what is not a terminal; measuring takes as long as printing
        return wide
    if console.measure(wide, options=console.options.update(max_width=_ANY_WIDTH)).maximum <= console.width:
        return wide
    return _trials_table(rows, columns, apart=False)


def _trials_table(rows: Sequence[Mapping[str, Any]], columns: TrialColumns, *, apart: bool) -> Table:
    names = columns.names if apart else ["configuration"]
    errors = any(row["error"] for row in rows)
    table = plain_table("trial", "state", columns.metric, columns.unit, *names, *(["error"] if errors else []))
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
