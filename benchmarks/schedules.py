"""Which cycle of bracket kinds finds more when points are drawn without a model: public curves, no training.

    .venv/bin/python benchmarks/schedules.py --data DIR

DIR holds a Parquet file a task, `<family>/<task>.parquet`, with the columns config_id, epoch and val_loss or
val_cross_entropy (TaskSet: Metz et al. 2020, Apache-2.0; LCBench: Zimmer et al. 2021, Apache-2.0; YAHPO Gym's surrogate
of LCBench: Pfisterer et al. 2022, Apache-2.0). Each trial is a row drawn at random; one worker; paused trials go on.
The figure is (best seen - table's best) / (table's median final value - table's best), at most 1.
"""

import argparse
from collections.abc import Callable, Iterator
from itertools import cycle
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from environment import environment, sentence

from caviar.scheduler.core.controllers.halving import HalvingController
from caviar.scheduler.core.controllers.samplers import DesignSampler
from caviar.scheduler.core.controllers.schedule import (
    Budget,
    Resource,
    Shape,
    coarse_to_fine_shapes,
    full_resource_shapes,
    hyperband_shapes,
    hyperband_trials,
    schedule,
)
from caviar.scheduler.core.proposers.design import uniform_design
from caviar.search_spaces import Integer, SearchSpace

RESOURCE = Resource(1, 50, 3)
FULL_TRAININGS = (5, 10, 20, 40)
SEEDS = 25
Shapes = Callable[[Resource], Iterator[Shape]]


def _kinds(*kinds: int) -> Shapes:
    """An endless cycle over kinds of brackets, of Hyperband's sizes."""
    return lambda resource: cycle([(kind, hyperband_trials(resource, kind)) for kind in kinds])


METHODS: dict[str, Shapes] = {
    "random, full resource": lambda _: full_resource_shapes(8),
    "Hyperband": hyperband_shapes,
    "the kinds that halve: 3, 2, 1": _kinds(3, 2, 1),
    "two of the widest before each other: 3, 3, 2, 3, 3, 1": _kinds(3, 3, 2, 3, 3, 1),
    "coarse_to_fine: 2, 3": coarse_to_fine_shapes,
    "the widest kind alone": _kinds(RESOURCE.widest_kind),
}


def read_curves(file: Path) -> npt.NDArray[np.float64]:
    """Losses [configurations, epochs] of a task; diverged ones are infinite."""
    table = pd.read_parquet(file)
    metric = "val_loss" if "val_loss" in table else "val_cross_entropy"
    curves = table.pivot(index="config_id", columns="epoch", values=metric).sort_index(axis=1)
    losses = curves.to_numpy(np.float64)[:, -RESOURCE.max :]
    return np.where(np.isfinite(losses), losses, np.inf)


def regrets(job: tuple[Path, str, int]) -> list[float]:
    """The figure after each number of full trainings, for a task, a method and a seed."""
    file, method, seed = job
    curves = read_curves(file)
    space = SearchSpace({"row": Integer(0, len(curves) - 1)})
    budget = Budget(resource=RESOURCE.max * (max(FULL_TRAININGS) + 5))
    brackets = schedule(RESOURCE, METHODS[method](RESOURCE), budget)
    controller = HalvingController(space, brackets, DesignSampler(uniform_design(space, seed)))
    spent, seen = _run(controller, curves)
    best, median = curves.min(), float(np.median(curves[:, -1]))
    found = (seen[np.searchsorted(spent, full * RESOURCE.max, side="right") - 1] for full in FULL_TRAININGS)
    return [(min(value, median) - best) / (median - best) for value in found]


def _run(controller: HalvingController, curves: npt.NDArray[np.float64]) -> tuple[list[int], list[float]]:
    """Steps spent and the best value seen, after each assignment."""
    spent, seen, trained = [0], [np.inf], dict[int, int]()
    while not controller.finished:
        for start in controller.decide(1):
            row, begin = start.config["row"], trained.get(start.trial, 0)
            assert isinstance(row, int)
            trained[start.trial] = start.level
            spent.append(spent[-1] + start.level - begin)
            seen.append(min(seen[-1], float(curves[row, begin : start.level].min())))
            controller.handle(start.trial, start.rung, float(curves[row, start.level - 1]))
    return spent, seen


def main() -> None:
    """Measures, prints the table, and writes it beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "schedules.md")
    arguments = parser.parse_args()
    tasks = sorted(arguments.data.glob("*/*.parquet"))
    lines = [
        "# Cycles of bracket kinds, points drawn at random",
        "",
        "Mean of (best seen - table's best) / (table's median final value - table's best), one worker.",
        f"{len(tasks)} tasks, {SEEDS} seeds, rungs at 1, 5, 16 and 50 epochs. Made by",
        "`python benchmarks/schedules.py --data DIR`, which says where the data is from.",
        sentence(environment("caviar", "numpy")),
        "",
        "| brackets | " + " | ".join(f"{full} full trainings" for full in FULL_TRAININGS) + " |",
        "|---|" + "---:|" * len(FULL_TRAININGS),
    ]
    with Pool() as pool:
        for method in METHODS:
            jobs = [(task, method, seed) for task in tasks for seed in range(SEEDS)]
            means = np.mean(pool.map(regrets, jobs, chunksize=SEEDS), axis=0)
            lines.append(f"| {method} | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")
    table = "\n".join(lines) + "\n"
    print(table)
    arguments.output.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
