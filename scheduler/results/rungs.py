"""Results of trials at their rungs: of all their reports, those by which they were compared."""

from collections.abc import Mapping
from math import nan
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..core.trials.columns import CONFIG_PREFIX
from ..core.trials.trial import TrialResults, TrialState
from .configurations import configuration_of
from .results import Results

_BAD = {TrialState.DIVERGED.value, TrialState.FAILED.value}


def at_rungs(results: Results, reports: pa.Table) -> npt.NDArray[np.bool_]:
    """Marks the reports that are rung results: the last ones of each trial on the way to a rung that it reached."""
    trial, rung = (reports[name].to_numpy() for name in ("trial", "rung"))
    trials = results.trials()
    reached = np.full(max([-1, *trial[-1:], *trials["trial"].to_numpy()[-1:]]) + 1, -1)
    reached[trials["trial"].to_numpy()] = trials["rung"].to_numpy()
    found: npt.NDArray[np.bool_] = last_to_rungs(reports) & (rung <= reached[trial])
    return found


def trial_results(results: Results) -> list[TrialResults]:
    """The results of each trial that has any, by number.

    A trial that diverged or failed has one more, NaN, at the last step that it reported or the one after its last rung.
    Without `trials.parquet` the last report of each trial counts as a result, and nothing is known of failures.
    """
    trials, reports = results.trials(), results.reports()
    names = [CONFIG_PREFIX + name for name in results.value_types]
    counts = at_rungs(results, reports) if len(trials) else last_to_rungs(reports)
    rows = reports.select(["trial", "step", *names]).filter(pa.array(counts))
    best = best_so_far(reports, results.metric, results.mode)[counts].tolist()
    found: dict[int, TrialResults] = {}
    for row, value in zip(rows.to_pylist(), best, strict=True):
        _of(found, row, results).values[row["step"]] = value
    for row in trials.select(["trial", "state", "step", *names]).to_pylist():
        if row["state"] in _BAD:
            values = _of(found, row, results).values
            values[max([row["step"], 1, *(step + 1 for step in values)])] = nan
    return [found[trial] for trial in sorted(found)]


def _of(found: dict[int, TrialResults], row: Mapping[str, Any], results: Results) -> TrialResults:
    trial = row["trial"]
    if trial not in found:
        found[trial] = TrialResults(trial, configuration_of(row, results.value_types), {})
    return found[trial]


def best_so_far(reports: pa.Table, metric: str, mode: str) -> npt.NDArray[np.float64]:
    """The best value of a metric that each trial has reported up to each of its reports, which stand in order.

    Returns:
        float64, one a report; NaN before a trial's first value.
    """
    trial = reports["trial"].to_numpy()
    values: npt.NDArray[np.float64] = reports[metric].to_numpy(zero_copy_only=False).astype(np.float64)
    better = np.fmin if mode == "min" else np.fmax
    for part in np.split(values, np.flatnonzero(np.diff(trial)) + 1):
        better.accumulate(part, out=part)
    return values


def last_to_rungs(reports: pa.Table) -> npt.NDArray[np.bool_]:
    """Marks the reports that are a trial's last ones on the way to a rung."""
    trial, rung = (reports[name].to_numpy() for name in ("trial", "rung"))
    last: npt.NDArray[np.bool_] = np.append((trial[1:] != trial[:-1]) | (rung[1:] != rung[:-1]), True)[: len(trial)]
    return last
