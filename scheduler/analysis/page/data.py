"""The numbers that a page draws: curves, the best value so far, and values against hyperparameters."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from ....search_spaces import Choice, Domain, Integer, InverseLog, Log, Ordinal
from ...core.trials.columns import CONFIG_PREFIX
from ...core.trials.goal import sign_of
from ...results.ranking import best_first
from ...results.results import Results
from ...results.rungs import at_rungs
from .regions import PageRegions

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MOST_POINTS = 200_000
"""Points of learning curves that a browser draws without effort."""
_SHADES = 6
_LOG_FROM = 20.0
"""Values whose largest is more than this many times the smallest are drawn on a log axis."""
_LABEL = 24
_FEW = 6
"""Different numbers that are drawn side by side, like options, where no domain says more."""


def page_data(results: Results, domains: Mapping[str, Domain], unit: str, best: int) -> dict[str, Any]:
    """Data that the page's script draws, as JSON values and numpy arrays.

    Args:
        results: The results.
        domains: The domains by name, as far as they are known.
        unit: The name of a step.
        best: The best trial's number.
    """
    reports = results.reports()
    trial, step = (reports[name].to_numpy().astype(np.int64) for name in ("trial", "step"))
    value = reports[results.metric].to_numpy(zero_copy_only=False).astype(np.float64)
    time = reports["time"].cast(pa.int64()).to_numpy()
    known = np.isfinite(value)
    log = _spans_decades(value[known])
    shown = _range(np.log10(value[known]) if log else value[known], results.mode)
    return {
        "metric": escape(results.metric),
        "unit": escape(unit),
        "log": ([10**end for end in shown] if shown else [value[known].min(), value[known].max()]) if log else None,
        "range": shown,
        "curves": _curves(trial[known], step[known], value[known], _ranks(results)) | {"best": best},
        "progress": _best_so_far(time, np.where(at_rungs(results, reports), value, np.nan), results.mode),
        "hyperparameters": _hyperparameters(results, domains),
    }


def _ranks(results: Results) -> Ints:
    """The trials' numbers, best first."""
    trials = best_first(results.trials(), "best_value", "best_step", results.mode)
    ranked: Ints = trials["trial"].to_numpy().astype(np.int64)
    return ranked


def _curves(trial: Ints, step: Ints, value: Floats, ranks: Ints) -> dict[str, Any]:
    """The curves in one list of points a shade, with a gap after each curve; later shades were trained further."""
    chosen = _drawn(trial, ranks)
    keep = np.isin(trial, chosen)
    trial, step, value = trial[keep], step[keep], value[keep]
    ends = np.flatnonzero(np.append(trial[1:] != trial[:-1], True)) if len(trial) else np.zeros(0, np.int64)
    lengths = np.diff(np.append(-1, ends))
    shades = _shades(np.repeat(step[ends], lengths))
    groups = []
    for shade in np.unique(shades):
        mine = shades == shade
        groups.append(_with_gaps(trial[mine], step[mine], value[mine]) | {"shade": float(shade)})
    return {"groups": groups, "drawn": len(ends), "trials": max(len(ranks), len(ends))}


def _drawn(trial: Ints, ranks: Ints) -> Ints:
    """The trials to draw: all, or where those are too many points, the best tenth and every k-th of the rest."""
    numbers = np.unique(trial)
    ratio = len(trial) / _MOST_POINTS
    if ratio <= 1:
        return numbers
    first = ranks[: max(1, int(len(ranks) / ratio / 10))]
    return np.union1d(first, numbers[:: int(np.ceil(ratio * 1.2))])


def _shades(last_step: Ints) -> Floats:
    """Training of each point's trial: 0 for the least, 1 for the most, in a few equal shades of the log."""
    if not len(last_step):
        return np.zeros(0)
    logs = np.log(last_step)
    span = np.ptp(logs)
    if span == 0:
        return np.ones(len(logs))
    shades: Floats = np.round((logs - logs.min()) / span * (_SHADES - 1)) / (_SHADES - 1)
    return shades


def _with_gaps(trial: Ints, step: Ints, value: Floats) -> dict[str, Any]:
    gaps = np.flatnonzero(trial[1:] != trial[:-1]) + 1
    # Half the digits make half the page; nobody sees more of them.
    y = np.insert(value, gaps, np.nan).astype(np.float32)
    return {"x": np.insert(step, gaps, 0), "y": y, "trial": np.insert(trial, gaps, 0)}


def _best_so_far(time: Ints, value: Floats, mode: str) -> dict[str, Any]:
    """The best value after each step of the whole sweep, where it changes.

    Args:
        time: The time of each report.
        value: Its value; NaN where it does not count.
        mode: "min" or "max".
    """
    ordered = value[np.argsort(time, kind="stable")]
    worst = np.inf if mode == "min" else -np.inf
    best = (np.minimum if mode == "min" else np.maximum).accumulate(np.where(np.isfinite(ordered), ordered, worst))
    changes = np.flatnonzero((best != np.append(worst, best[:-1])) & np.isfinite(best))
    if not len(changes):
        return {"x": [], "y": []}
    return {"x": np.append(changes + 1, len(best)), "y": np.append(best[changes], best[-1])}


def _hyperparameters(results: Results, domains: Mapping[str, Domain]) -> dict[str, Any]:
    trials = results.trials()
    value = trials["best_value"].to_numpy(zero_copy_only=False).astype(np.float64)
    known = np.isfinite(value)
    trials = trials.filter(pa.array(known))
    panels, regions = [], PageRegions(results.regions())
    for name, kind in results.value_types.items():
        domain = domains.get(name)
        if domain is None or not domain.is_constant:
            panel = {"name": escape(name)} | _panel(trials[CONFIG_PREFIX + name], kind, domain)
            panels.append(panel | regions.panel(name, panel["scale"], domain))
    steps = trials["step"].to_numpy().astype(np.int64)
    return {
        "panels": panels,
        "trial": trials["trial"].to_numpy(),
        "value": value[known].astype(np.float32),
        "shade": _shades(np.maximum(steps, 1)),
    }


def _panel(column: pa.ChunkedArray, kind: str, domain: Domain | None) -> dict[str, Any]:
    """Each trial's place on a hyperparameter's axis, and the kind of that axis."""
    if kind not in {"float", "integer"} or isinstance(domain, Choice | Ordinal):
        return _options(column.to_pylist(), domain)
    if domain is None and kind == "integer" and len(column.unique()) <= _FEW:
        return _options(column.to_pylist(), None)
    x = column.to_numpy(zero_copy_only=False).astype(np.float64)
    if isinstance(domain, InverseLog):
        return {"scale": "inverse_log", "x": (1 - x).astype(np.float32)}
    log = isinstance(domain, Log) or (isinstance(domain, Integer) and domain.log)
    log = log or (domain is None and _spans_decades(x[np.isfinite(x)]))
    return {"scale": "log" if log else "linear", "x": x.astype(np.float32)}


def _options(values: Sequence[Any], domain: Domain | None) -> dict[str, Any]:
    """Options side by side in the order of the domain, each trial a little beside the middle of its own."""
    texts = [None if value is None else str(value) for value in values]
    found = list(dict.fromkeys(text for text in texts if text is not None))
    order = {text: place for place, text in enumerate(_in_order(found, domain))}
    middle = np.array([np.nan if text is None else order[text] for text in texts], np.float64)
    beside = (np.arange(len(texts)) * 0.618034) % 1 - 0.5
    labels = [escape(text if len(text) <= _LABEL else text[: _LABEL - 1] + "…") for text in order]
    return {"scale": "options", "x": (middle + 0.5 * beside).astype(np.float32), "labels": labels}


def _in_order(found: list[str], domain: Domain | None) -> list[str]:
    """All options of a domain as the column writes them; those that occur, sorted, where the domain is not known."""
    if not isinstance(domain, Choice | Ordinal):
        return sorted(found)
    write = orjson.dumps if domain.value_type == "json" else lambda option: str(option).encode()
    listed = [write(option).decode() for option in domain.options]
    return [*listed, *(text for text in found if text not in listed)]


def _spans_decades(values: Floats) -> bool:
    return bool(len(values) and values.min() > 0 and values.max() / values.min() > _LOG_FROM)


def _range(values: Floats, mode: str) -> list[float] | None:
    """The part of an axis that holds all but the worst twentieth, where those would flatten the rest."""
    if len(values) < 20:
        return None
    sign = sign_of(mode)
    losses = sign * values
    best, worst, edge = (float(np.quantile(losses, share)) for share in (0.0, 1.0, 0.95))
    if worst - best <= 2 * (edge - best):
        return None
    margin = 0.05 * (edge - best)
    return sorted([sign * (best - margin), sign * (edge + margin)])
