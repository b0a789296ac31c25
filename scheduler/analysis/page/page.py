"""The page that people show: one HTML file with the curves, the best configuration and its causes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from html import escape
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
import orjson

from ....search_spaces import CaviarError, Domain, Integer, InverseLog, Log, SearchSpace, Uniform, Value
from ....search_spaces.strict_yaml import load_yaml
from ...errors import ResultsError
from ...results.best import Best
from ...results.results import Results
from ...results.rows import trial_rows
from ...storage.directory import SweepDirectory
from ...storage.location import Location, locate
from ...storage.object_path import ObjectPath
from .data import page_data
from .template import page_html, page_script, page_style

_TRIALS_LISTED = 50
_LONGEST = 60
_POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"
"""The page may load nothing; WebGL drawing compiles functions, hence the eval."""


@dataclass(frozen=True)
class PageSweep:
    """Facts of a page about a sweep besides its tables; those that the directory does not tell have plain defaults.

    Attributes:
        results: The sweep's results.
        fields: The fields of its spec; empty without one.
        domains: The domains by name; empty without a spec.
    """

    results: Results
    fields: Mapping[str, Any]
    domains: Mapping[str, Domain]

    @classmethod
    def of(cls, results: Results) -> "PageSweep":
        """The facts that the results' directory tells."""
        path = None if results.path is None else SweepDirectory(results.path).spec
        if path is None or not path.is_file():
            return cls(results, {}, {})
        try:
            fields = load_yaml(path.read_text(encoding="utf-8"), str(path))
            return cls(results, fields, SearchSpace.from_dict(fields["space"]).domains)
        except (CaviarError, KeyError, TypeError, UnicodeDecodeError):
            return cls(results, {}, {})

    @property
    def name(self) -> str:
        """The sweep's name."""
        path = self.results.path
        return str(self.fields.get("name") or (path.resolve().name if path else "sweep"))

    @property
    def unit(self) -> str:
        """The name of a step."""
        return str(self.fields.get("resource", {}).get("unit", "step"))

    @cached_property
    def trials(self) -> list[dict[str, Any]]:
        """The trials, best first."""
        return trial_rows(self.results)


def write_page(results: Results, path: str | Location) -> None:
    """Writes a page about a sweep: one HTML file that loads nothing, for screens light and dark and for paper.

    Args:
        results: The results, of a sweep that is finished or still runs.
        path: The file, or its URI; one that exists is replaced.

    Raises:
        ResultsError: plotly is not installed, or nothing was reported yet.
    """
    plotly_js = _plotly_js()
    sweep = PageSweep.of(results)
    text = _page(sweep, results.best, plotly_js)
    path = locate(path)
    if isinstance(path, ObjectPath):
        path.write_bytes(text.encode())
        return
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    with draft.open("x", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def _plotly_js() -> str:
    try:
        return str(import_module("plotly.offline").get_plotlyjs())
    except ModuleNotFoundError:
        raise ResultsError("The page needs plotly, which is not installed: pip install 'caviar[report]'.") from None


def _page(sweep: PageSweep, best: Best, plotly_js: str) -> str:
    data = page_data(sweep.results, sweep.domains, sweep.unit, best.trial)
    names = list(sweep.results.value_types)
    values = {
        "policy": _POLICY,
        "style": page_style(),
        "script": page_script(),
        "plotly": plotly_js,
        "data": _json(data),
        "name": escape(sweep.name),
        "metric": escape(sweep.results.metric),
        "value": _show(best.value),
        "unit": escape(sweep.unit),
        "summary": _summary(sweep),
        "best": _best(sweep, best),
        "curves": _curves_caption(sweep, data["curves"]),
        "hyperparameters": _hyperparameters_caption(sweep, data["hyperparameters"]["panels"]),
        "trials": _table(sweep, names),
        "version": version("caviar"),
        "time": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M}",
    }
    return page_html(values)


def _summary(sweep: PageSweep) -> str:
    results, count = sweep.results, len(sweep.trials)
    goal = "smallest" if results.mode == "min" else "largest"
    states = Counter(row["state"] for row in sweep.trials)
    words = [
        f"{count:,} trials over {', '.join(results.value_types)}, in search of the {goal} {results.metric}.",
        f"{', '.join(f'{number:,} {state}' for state, number in states.most_common())}." if count else "",
    ]
    return escape(" ".join(filter(None, words)))


def _best(sweep: PageSweep, best: Best) -> str:
    metrics = sweep.results.metrics_at(best.trial, best.step)
    others = [(name, value) for name, value in metrics.items() if name != sweep.results.metric]
    figures = "".join(f"<li><b>{_show(value)}</b> {escape(name)}</li>" for name, value in others)
    rows = "".join(_configuration_row(sweep, name, value) for name, value in best.config.items())
    return (
        f'<div class="figure"><p class="value">{_show(best.value)}</p>'
        f"<p>best {escape(sweep.results.metric)}, at {escape(sweep.unit)} {best.step:,} of trial {best.trial}</p>"
        f'<ul>{figures}</ul></div><table class="configuration"><tbody>{rows}</tbody></table>'
    )


def _configuration_row(sweep: PageSweep, name: str, value: Value) -> str:
    """A hyperparameter's value, and where it lies between the ends of its domain."""
    place, ends = "", ["", ""]
    domain = sweep.domains.get(name)
    if isinstance(domain, Uniform | Log | InverseLog | Integer) and not domain.is_constant:
        share = float(domain.encode([value])[0])
        place = f'<span class="scale"><span style="left:{100 * share:.1f}%"></span></span>'
        ends = [_show(end) for end in domain.decode(np.array([0.0, 1.0])).tolist()]
    cells = f'<td class="end">{ends[0]}</td><td>{place}</td><td class="end high">{ends[1]}</td>'
    return f'<tr><th scope="row">{escape(name)}</th><td class="chosen">{_show(value)}</td>{cells}</tr>'


def _curves_caption(sweep: PageSweep, curves: Mapping[str, Any]) -> str:
    drawn, trials = curves["drawn"], curves["trials"]
    which = f"All {trials:,} trials" if drawn == trials else f"{drawn:,} of {trials:,} trials, the best among them"
    return escape(f"{which}, the stronger the colour, the further it was trained; the best one stands out.")


def _hyperparameters_caption(sweep: PageSweep, panels: Sequence[Mapping[str, Any]]) -> str:
    words = f"Each trial's best {sweep.results.metric} against each hyperparameter, on the scale it was searched on."
    if any(panel["bands"] for panel in panels):
        words += (
            " The band is where the search expected the best at last, the fainter ones are where it did before; the"
            " percentage is the part of the variation that the hyperparameter accounts for."
        )
    return escape(words)


def _table(sweep: PageSweep, names: Sequence[str]) -> str:
    heads = ["trial", "state", sweep.results.metric, sweep.unit, *names]
    head = "".join(f'<th scope="col"><button type="button">{escape(name)}</button></th>' for name in heads)
    body = "".join(_table_row(row, names) for row in sweep.trials[:_TRIALS_LISTED])
    more = len(sweep.trials) - _TRIALS_LISTED
    note = f"<p>The best {_TRIALS_LISTED}; {more:,} more are in trials.parquet.</p>" if more > 0 else ""
    table = f'<table class="trials"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="wide">{table}</div>{note}'


def _table_row(row: Mapping[str, Any], names: Sequence[str]) -> str:
    value, step = row["best_value"], row["best_step"]
    cells = [row["trial"], row["state"], value, row["step"] if step is None else step]
    cells += [row["config"].get(name) for name in names]
    return f"<tr>{''.join(map(_cell, cells))}</tr>"


def _cell(value: object) -> str:
    if isinstance(value, float | int) and not isinstance(value, bool):
        return f'<td class="number" data-value="{value!r}">{_show(value)}</td>'
    return f"<td>{'' if value is None else _show(value)}</td>"


def _show(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return escape(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…")


def _json(data: Mapping[str, Any]) -> str:
    """JSON that can stand inside of a script element."""
    text = orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY).decode()
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
