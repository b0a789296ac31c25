"""The look of a result set at a prompt and in a notebook."""

from collections import Counter
from collections.abc import Mapping
from html import escape
from typing import Any

import pyarrow as pa

from ...search_spaces import Value
from .configurations import configuration_of
from .ranking import find_best, ranked
from .schema import SweepMetadata
from .source import Source

_SHOWN = 10


def results_as_text(source: Source, metadata: SweepMetadata) -> str:
    """A few lines: where, how many trials in which state, and the best configuration."""
    lines = [f"Results({str(source.path)!r})" if source.path else "Results(in memory)", f"  {_states(source.trials())}"]
    best = find_best(source, metadata)
    if best is None:
        return "\n".join([*lines, f"  no {metadata.metric} yet"])
    lines.append(f"  best {metadata.metric} {_show(best.value)} at step {best.step} of trial {best.trial}")
    lines += [f"    {name} = {_show(value)}" for name, value in best.config.items()]
    return "\n".join(lines)


def results_as_html(source: Source, metadata: SweepMetadata) -> str:
    """A small table that needs nothing else: the best configuration and the ten best trials."""
    trials = source.trials()
    best = find_best(source, metadata)
    title = f"<p><b>{escape(str(source.path or 'Results in memory'))}</b>: {escape(_states(trials))}</p>"
    if best is None:
        return f"<div>{title}<p>no {escape(metadata.metric)} yet</p></div>"
    summary = f"best {metadata.metric} {_show(best.value)} at step {best.step} of trial {best.trial}: "
    summary += ", ".join(f"{name} = {_show(value)}" for name, value in best.config.items())
    rows = ranked(trials, "best_value", "best_step", metadata.mode).slice(0, _SHOWN).to_pylist()
    return f"<div>{title}<p>{escape(summary)}</p>{_html_table(rows, metadata)}</div>"


def _html_table(rows: list[dict[str, Any]], metadata: SweepMetadata) -> str:
    heads = ["trial", "state", metadata.metric, "step", *metadata.value_types]
    lines = [_html_row("th", heads)]
    for row in rows:
        config = configuration_of(row, metadata.value_types)
        cells = [row["trial"], row["state"], row["best_value"], row["best_step"]]
        lines.append(_html_row("td", [*map(_show, cells), *_config_cells(config, metadata.value_types)]))
    return f"<table>{''.join(lines)}</table>" if rows else ""


def _config_cells(config: Mapping[str, Value], names: Mapping[str, str]) -> list[str]:
    return [_show(config[name]) if name in config else "" for name in names]


def _html_row(tag: str, cells: list[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _states(trials: pa.Table) -> str:
    counts = Counter(trials["state"].to_pylist())
    states = ", ".join(f"{count} {state}" for state, count in counts.most_common())
    return f"{len(trials)} trials" + (f": {states}" if states else "")


def _show(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
