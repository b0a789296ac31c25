"""Trivial trials and reports a second: Caviar beside Ray Tune, in one run, on two workers each.

    make bench        or        .venv/bin/python benchmarks/throughput.py

What is measured is the tuner alone: the training code does nothing. Ray is started before the clock, results are
durable after it: for Caviar, every report in Parquet and every outcome in the journal, both flushed to the disk.
A row of the table is the wall-clock time of `sweep.run()` or `tuner.fit()`, with the start of the workers in it.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ray
from environment import environment, sentence
from ray import tune

from caviar.scheduler import Sweep
from caviar.search_spaces import Uniform
from caviar.trainers import Trial

Measured = tuple[int, float]
"""How many, and in how many seconds."""
WORKERS = 2


def one_report(trial: Trial) -> Iterator[dict[str, float]]:
    """A trial of one report."""
    yield {"loss": trial.config["x"]}


def many_reports(trial: Trial) -> Iterator[dict[str, float]]:
    """A trial of as many reports as it has steps."""
    for step in trial.steps():
        yield {"loss": trial.config["x"] / step}


def caviar(trainer: Callable[..., Iterator[dict[str, float]]], trials: int, reports: int, folder: Path) -> float:
    """Seconds that a random search of Caviar takes."""
    sweep = Sweep(
        trainer,
        space={"x": Uniform(0.0, 1.0)},
        metric="loss",
        resource={"max": reports},
        budget={"trials": trials},
        workers={"cpu": 1, "count": WORKERS},
        controller="random",
        storage=folder,
        name=f"caviar-{trials}-{reports}",
    )
    began = time.perf_counter()
    results = sweep.run()
    seconds = time.perf_counter() - began
    rows = results.sql("select count(*) from reports").column(0)[0].as_py()
    assert rows == trials * reports, f"{rows} of {trials * reports} reports are in the Parquet files"
    return seconds


def tune_function(trials: int, reports: int, folder: Path) -> float:
    """Seconds that Ray Tune takes with its function API: a new actor a trial."""

    def train(config: dict[str, float]) -> None:
        for step in range(1, reports + 1):
            tune.report({"loss": config["x"] / step})

    return _fit(train, trials, folder, reuse_actors=False)


class _Trainable(tune.Trainable):
    """A class of Ray Tune that reports once."""

    def setup(self, config: dict[str, float]) -> None:
        self.x = config["x"]

    def reset_config(self, new_config: dict[str, float]) -> bool:
        self.x = new_config["x"]
        return True

    def step(self) -> dict[str, float | bool]:
        return {"loss": self.x, "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        pass

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        pass


def tune_class(trials: int, folder: Path) -> float:
    """Seconds that Ray Tune takes with a class and `reuse_actors`: its fastest way."""
    return _fit(_Trainable, trials, folder, reuse_actors=True)


def _fit(trainable: Callable[..., Any] | type, trials: int, folder: Path, *, reuse_actors: bool) -> float:
    tuner = tune.Tuner(
        trainable,
        param_space={"x": tune.uniform(0.0, 1.0)},
        tune_config=tune.TuneConfig(
            num_samples=trials, max_concurrent_trials=WORKERS, reuse_actors=reuse_actors, metric="loss", mode="min"
        ),
        run_config=tune.RunConfig(storage_path=str(folder), name="tune", verbose=0),
    )
    began = time.perf_counter()
    grid = tuner.fit()
    seconds = time.perf_counter() - began
    assert len(grid) == trials
    assert not grid.errors
    return seconds


def measure(scale: float) -> dict[str, Measured]:
    """All figures; `scale` shortens or lengthens every part alike."""
    parts: dict[str, tuple[int, Callable[[int, Path], float]]] = {
        "trials: Caviar": (10_000, lambda n, folder: caviar(one_report, n, 1, folder)),
        "trials: Ray Tune, class, reuse_actors": (150, tune_class),
        "trials: Ray Tune, function": (30, lambda n, folder: tune_function(n, 1, folder)),
        "reports: Caviar": (1_000_000, lambda n, folder: caviar(many_reports, 2, n // 2, folder)),
        "reports: Ray Tune, function": (2_000, lambda n, folder: tune_function(2, n // 2, folder)),
    }
    figures = {}
    for name, (full, run) in parts.items():
        n = max(2, round(full * scale))
        with tempfile.TemporaryDirectory(prefix="throughput-", ignore_cleanup_errors=True) as folder:
            figures[name] = (n, run(n, Path(folder)))
        print(f"{name:40} {n:>9} in {figures[name][1]:7.1f} s  {n / figures[name][1]:>9.1f}/s", file=sys.stderr)
    return figures


def table(figures: dict[str, Measured], where: dict[str, str]) -> str:
    """The figures as Markdown."""
    lines = [
        "# Throughput",
        "",
        f"{WORKERS} workers, everything durable. {sentence(where)} Made by `make bench`.",
        "",
        "| what | number | seconds | a second | Caviar's ratio |",
        "|---|---:|---:|---:|---:|",
    ]
    rates = {name: n / seconds for name, (n, seconds) in figures.items()}
    for name, (n, seconds) in figures.items():
        ours = rates[f"{name.split(':')[0]}: Caviar"]
        lines.append(f"| {name} | {n:,} | {seconds:.1f} | {rates[name]:,.1f} | {ours / rates[name]:,.0f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures, prints the table, and writes it beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="how much of it to run; 1 is the published form")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    where = environment("caviar", "ray", "pyarrow", "numpy")
    cores = max(WORKERS, os.cpu_count() or 1)
    ray.init(num_cpus=cores, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    figures = measure(arguments.scale)
    ray.shutdown()
    print(table(figures, where))
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "throughput.md").write_text(table(figures, where))
    record = {"machine": where, "figures": {name: {"n": n, "seconds": s} for name, (n, s) in figures.items()}}
    (arguments.output / "throughput.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
