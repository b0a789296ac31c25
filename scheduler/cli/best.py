"""The best configuration, printed."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..results import Best
from .console import show_value


def print_best(
    console: Console, best: Best, metric: str, unit: str, metrics: Mapping[str, float] | None = None
) -> None:
    """Prints the best value, the other metrics of the same report, and the configuration.

    Args:
        console: Where to.
        best: The best trial.
        metric: The sweep's metric.
        unit: What a step is called.
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
