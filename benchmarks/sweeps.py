"""One sweep in four tuners: Caviar with and without fused trials, Ray Tune and Optuna, on two cores.

    .venv/bin/pip install -c constraints.txt -e '.[bench]'
    .venv/bin/python benchmarks/sweeps.py

243 networks on scikit-learn's digits, of 1 to 27 epochs, stopped early by successive halving with a factor of 3. Each
tuner has two processes of one thread, draws from the same space and compares `val_loss` on the same dev part. Caviar
trains its own lane; the others train plain_training.py, which does the same in an epoch.
"""

import argparse
import logging
import tempfile
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import optuna
import ray
from environment import environment, sentence
from tuners import TUNERS, WORKERS, Task

GOOD = 0.98
"""The dev accuracy whose first sight is timed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to.

    Attributes:
        seconds: From the start to the end, with the start of workers, without that of Ray.
        start: Seconds that Ray took to start before; 0 without Ray.
        good: Seconds from the start, without that of Ray, to the first report of `GOOD`; infinite if there is none.
        trials: Trials that reported.
        epochs: Epochs that were trained.
        best_loss: The least dev loss.
        best_acc: The best dev accuracy.
    """

    seconds: float
    start: float
    good: float
    trials: float
    epochs: float
    best_loss: float
    best_acc: float


def run(name: str, task: Task) -> Outcome:
    """Runs a tuner from a cold start."""
    on_ray, tuner = TUNERS[name]
    before = time.perf_counter()
    if on_ray:
        ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    began, clock = time.perf_counter(), time.time()
    reports = tuner(task)
    seconds = time.perf_counter() - began
    if on_ray:
        ray.shutdown()
    return Outcome(
        seconds=seconds,
        start=began - before,
        good=min((report.time - clock for report in reports if report.val_acc >= GOOD), default=float("inf")),
        trials=len({report.trial for report in reports}),
        epochs=len(reports),
        best_loss=min(report.val_loss for report in reports),
        best_acc=max(report.val_acc for report in reports),
    )


def measure(names: list[str], trials: int, seeds: int) -> dict[str, list[Outcome]]:
    """Runs every tuner once with each seed, in turn."""
    outcomes: dict[str, list[Outcome]] = {name: [] for name in names}
    for seed in range(seeds):
        for name in names:
            with tempfile.TemporaryDirectory(prefix="sweeps-", ignore_cleanup_errors=True) as folder:
                outcomes[name].append(run(name, Task(trials, seed, Path(folder))))
            print(f"seed {seed}  {name:36} {outcomes[name][-1]}", flush=True)
    return outcomes


def table(outcomes: Mapping[str, list[Outcome]], trials: int, seeds: int) -> str:
    """The outcomes as Markdown."""
    where = environment("caviar", "ray", "optuna", "torch")
    lines = [
        f"# A sweep of {trials} networks in four tuners",
        "",
        f"{WORKERS} processes of one thread each; the median of {seeds} seeds. {sentence(where)}"
        " Made by `python benchmarks/sweeps.py`.",
        "",
        f"| tuner | seconds | with Ray's start | seconds to {GOOD} | trials | epochs | best val_loss | best val_acc |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, runs in outcomes.items():
        of = Outcome(*(median(getattr(run, field) for run in runs) for field in Outcome.__slots__))
        good = "never" if of.good == float("inf") else f"{of.good:.1f}"
        times = f"{of.seconds:.1f} | {of.seconds + of.start:.1f} | {good}"
        lines.append(f"| {name} | {times} | {of.trials:g} | {of.epochs:g} | {of.best_loss:.4f} | {of.best_acc:.4f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures, prints the table, and writes it beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=243)
    parser.add_argument("--seeds", type=int, default=3, help="how often each tuner runs")
    parser.add_argument("--only", nargs="+", choices=list(TUNERS), default=list(TUNERS), help="some of the tuners")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "sweeps.md")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    outcomes = measure(arguments.only, arguments.trials, arguments.seeds)
    text = table(outcomes, arguments.trials, arguments.seeds)
    print(text)
    arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
