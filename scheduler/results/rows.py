"""Rows of the tables as plain Python values."""

from typing import Any, Literal

from ..core.trials.columns import CONFIG_PREFIX
from .configurations import configuration_of
from .ranking import best_first
from .results import Results


def trial_rows(
    results: Results, order: Literal["value", "trial"] = "value", limit: int | None = None
) -> list[dict[str, Any]]:
    """The trials, a dict each: the columns of `trials.parquet`, and the configuration under `config`.

    Args:
        results: The results.
        order: By the best value, best first and trials without one last, or by number.
        limit: At most so many; all if None.
    """
    table = results.trials()
    if order == "value":
        table = best_first(table, "best_value", "best_step", results.mode)
    rows = table.slice(0, limit).to_pylist()
    return [
        {name: value for name, value in row.items() if not name.startswith(CONFIG_PREFIX)}
        | {"config": configuration_of(row, results.value_types)}
        for row in rows
    ]
