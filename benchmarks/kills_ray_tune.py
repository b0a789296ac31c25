"""What kills.py runs of Ray Tune: kills_ray_tune.py run|resume|read FOLDER SEED.

As its guides have it: a function that saves a checkpoint with each report ("How to Save and Load Trial Checkpoints")
and a `FailureConfig`; after a crash `Tuner.restore` with `resume_errored` ("How to Enable Fault Tolerance in Ray
Tune").
"""

import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import ray
from kills_training import STEPS, TRIALS, WORKERS, Descent
from ray import tune
from ray.tune.search.basic_variant import BasicVariantGenerator


def train(config: Mapping[str, Any], lines: Path) -> None:
    """A function with a checkpoint each step."""
    descent = Descent(config["x"], lines)
    if (checkpoint := tune.get_checkpoint()) is not None:
        with checkpoint.as_directory() as folder:
            descent.restore(json.loads(Path(folder, "state.json").read_text()))
    while descent.step < STEPS:
        loss = descent.advance()
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "state.json").write_text(json.dumps(descent.state()))
            report = {"loss": loss, "step": descent.step, "x": config["x"]}
            tune.report(report, checkpoint=tune.Checkpoint.from_directory(folder))


def _trainable(folder: Path) -> Callable[..., Any]:
    return partial(train, lines=folder / "lines.txt")


def _tuner(folder: Path, seed: int) -> tune.Tuner:
    return tune.Tuner(
        tune.with_resources(_trainable(folder), {"cpu": 1}),
        param_space={"x": tune.uniform(0.0, 1.0)},
        tune_config=tune.TuneConfig(
            metric="loss",
            mode="min",
            num_samples=TRIALS,
            max_concurrent_trials=WORKERS,
            search_alg=BasicVariantGenerator(random_state=seed, max_concurrent=WORKERS),
        ),
        run_config=tune.RunConfig(
            storage_path=str(folder),
            name="tune",
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=3),
        ),
    )


def main(action: str, folder: Path, seed: int) -> None:
    """Runs, resumes, or prints what the results hold."""
    if action == "run":
        tuner = _tuner(folder, seed)
    else:
        trainable = tune.with_resources(_trainable(folder), {"cpu": 1})
        tuner = tune.Tuner.restore(str(folder / "tune"), trainable=trainable, resume_errored=True)
    if action == "read":
        _print(tuner.get_results())
        return
    cores = max(WORKERS, os.cpu_count() or 1)
    ray.init(num_cpus=cores, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    grid = tuner.fit()
    sys.exit(1 if grid.errors else 0)


def _print(grid: tune.ResultGrid) -> None:
    reports, ended = [], 0
    for result in (grid[number] for number in range(len(grid))):
        frame = result.metrics_dataframe
        # A trial that has not reported has a table without columns.
        rows = [] if frame is None or "step" not in frame else frame[["x", "step"]].to_numpy().tolist()
        reports += [[x, int(step)] for x, step in rows]
        ended += any(int(step) == STEPS for _, step in rows)
    print(json.dumps({"reports": reports, "ended": ended}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
