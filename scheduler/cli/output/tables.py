"""The table of trials and the best configuration, as commands print them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from ...results import Best
from .console import plain_table, show_config, show_value

_ANY_WIDTH = 10_000
_STATE_STYLES = {"running": "cyan", "completed": "green", "failed": "red", "diverged": "yellow"}


@dataclass(frozen=True, slots=True)
class TrialColumns:
    """Names of a sweep that stand in its table of trials.

    Attributes:
        metric: The sweep's metric.
        unit: The name of a step.
        names: The hyperparameters.
    """

    metric: str
    unit: str
    names: Sequence[str]


def trials_table(rows: Sequence[Mapping[str, Any]], columns: TrialColumns, console: Console) -> Table:
    """Trials, a line each, with a column a hyperparameter where the console is wide enough, else with one for all.

    Args:
        rows: Trials as `trial_rows` gives them.
        columns: The sweep's names.
        console: The console that will print the table.
    """
    wide = _trials_table(rows, columns, apart=True)
    if console.width >= _ANY_WIDTH:  # no terminal; measuring takes as long as printing
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


def print_best(
    console: Console, best: Best, metric: str, unit: str, metrics: Mapping[str, float] | None = None
) -> None:
    """Prints the best value, the other metrics of the same report, and the configuration.

    Args:
        console: The console to print on.
        best: The best trial.
        metric: The sweep's metric.
        unit: The name of a step.
        metrics: The metrics at that step, if known.
    """
    line = Text.assemble("best ", f"{metric} ", (show_value(best.value), "bold green"))
    console.print(line.append(f" at {unit} {best.step:,} of trial {best.trial}"))
    others = [f"{name} {show_value(value)}" for name, value in (metrics or {}).items() if name != metric]
    if others:
        console.print(Text("  " + "  ".join(others), "dim"))
    console.print()
    grid = Table.grid(padding=(0, 3, 0, 0))
    for name, value in best.config.items():
        grid.add_row(Text(f"  {name}"), Text(show_value(value), "bold"))
    console.print(grid)


def best_as_dict(best: Best, metrics: Mapping[str, float] | None) -> dict[str, Any]:
    """The best trial as JSON; with all metrics of its report if they are known."""
    fields = {"trial": best.trial, "value": best.value, "step": best.step, "config": dict(best.config)}
    fields["checkpoint"] = None if best.checkpoint is None else str(best.checkpoint)
    return fields if metrics is None else fields | {"metrics": dict(metrics)}


_HEAD = 10
