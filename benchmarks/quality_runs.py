"""Finished runs of quality.py: JSON lines, one a run."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import orjson
from quality_meter import best_at
from quality_methods import RunKey
from quality_tasks import Reference

TWICE = "random_2x"
"""Random search that is read at twice the resource."""


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """One line.

    Attributes:
        key: What it is known by.
        steps: Steps of a full training.
        trainings: Numbers of full trainings at which it was read.
        values: The best loss at each.
        regrets: The regret at each.
        trajectory: (time, best loss so far).
        reference: What the regret is measured between; None before `with_references`.
        versions: Of the method's packages.
        seconds: That the run took.
        finals: Final losses of full trainings of random configurations.
    """

    key: RunKey
    steps: int
    trainings: tuple[int, ...]
    values: tuple[float, ...]
    regrets: tuple[float, ...]
    trajectory: tuple[tuple[float, float], ...]
    reference: Reference | None
    versions: dict[str, str]
    seconds: float
    finals: tuple[float, ...]


def read_runs(folder: Path) -> list[FinishedRun]:
    """All runs in a folder; of several with one key the last."""
    lines = (line for file in sorted(folder.glob("*.jsonl")) for line in file.read_bytes().splitlines())
    runs = {run.key: run for run in map(_read, lines)}
    twice = [_at_twice(run) for run in runs.values() if run.key.method == "random"]
    return with_references([*runs.values(), *twice])


def _read(line: bytes) -> FinishedRun:
    row = orjson.loads(line)
    key = RunKey(**{name: row[name] for name in RunKey.__dataclass_fields__})
    reference = None if row["reference"] is None else Reference(**row["reference"])
    values = tuple(_losses(row["values"]))
    regrets = tuple(row["regrets"] or ())
    trajectory = tuple((time, loss) for time, loss in row["trajectory"] if loss is not None)
    finals = tuple(_losses(row.get("finals") or ()))
    facts = (row["steps"], tuple(row["trainings"]), values, regrets, trajectory, reference)
    return FinishedRun(key, *facts, row["versions"], row["seconds"], finals)


def _losses(numbers: Iterable[float | None]) -> Iterable[float]:
    """JSON has no infinity: a diverged training's loss is null."""
    return (float("inf") if number is None else number for number in numbers)


def _at_twice(run: FinishedRun) -> FinishedRun:
    """Random search read at twice the resource, with its clock running twice as fast."""
    trajectory = tuple((time / 2, loss) for time, loss in run.trajectory)
    times = [full * run.steps / run.key.workers for full in run.trainings]
    values = tuple(best_at(trajectory, time) for time in times)
    regrets = () if run.reference is None else tuple(run.reference.regret(value) for value in values)
    return replace(run, key=replace(run.key, method=TWICE), trajectory=trajectory, values=values, regrets=regrets)


def with_references(runs: Iterable[FinishedRun]) -> list[FinishedRun]:
    """The runs with regrets.

    Real tasks have no table: the best is that of all runs, the median that of random search's full trainings.
    """
    runs = list(runs)
    unknown = {run.key.task for run in runs if run.reference is None}
    references = {task: _reference([run for run in runs if run.key.task == task]) for task in unknown}
    return [run if run.reference is not None else _with(run, references[run.key.task]) for run in runs]


def _reference(runs: list[FinishedRun]) -> Reference:
    best = min(min(loss for _, loss in run.trajectory) for run in runs if run.trajectory)
    finals = [loss for run in runs if run.key.method == "random" for loss in run.finals]
    # Before random search has run there is no median; regret is then measured in multiples of the best.
    return Reference(best, float(np.median(finals)) if finals else 2 * best)


def _with(run: FinishedRun, reference: Reference) -> FinishedRun:
    return replace(run, reference=reference, regrets=tuple(reference.regret(value) for value in run.values))
