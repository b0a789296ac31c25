"""How many events a minute `Sweep.simulate` goes through, by controller and number of simulated workers.

    .venv/bin/python benchmarks/simulation.py

An event is the end of an assignment: what it leads to is decided, the next assignment is given out, its curve is read.
Trials differ in what a step costs, so that no two ends fall together. The time is that of `simulate` with the table of
trials; the table of reports, which is made when it is read first, is timed beside it. Everything runs in one process.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environment import environment, sentence

from caviar.scheduler import Sweep
from caviar.search_spaces import Domain, InverseLog, Log

SPACE: dict[str, Domain] = {"lr": Log(1e-4, 1.0), "momentum": InverseLog(0.9, 0.999)}
STEPS = 27
FALL = [1 / step for step in range(1, STEPS + 1)]
TRIALS = {"random": 150_000, "hyperband": 100_000}
"""Trials of a simulation: about 150,000 events."""
WORKERS = (1, 100, 10_000)


@dataclass(frozen=True)
class Measured:
    """One simulation.

    Attributes:
        events: Assignments that ended.
        seconds: Wall-clock seconds of `simulate`.
        cpu_s: Processor seconds of it: fewer, where other programs had the cores.
        reports: Reports that the trials made.
        reading_s: Wall-clock seconds until the table of reports was there.
    """

    events: int
    seconds: float
    cpu_s: float
    reports: int
    reading_s: float

    def row(self, controller: str, workers: int) -> str:
        """The figures as a row of the table."""
        rate, cpu_rate = (60 * self.events / spent for spent in (self.seconds, self.cpu_s))
        return (
            f"| {controller} | {workers:,} | {self.events:,} | {self.seconds:.1f} | {rate:,.0f} | {cpu_rate:,.0f}"
            f" | {self.reports:,} | {self.reading_s:.1f} |"
        )


def train(trial: Any) -> Iterator[dict[str, float]]:
    """What a real run would call."""
    raise AssertionError("a simulation trains nothing")
    yield {}


def curve(config: Mapping[str, Any], seed: int) -> list[float]:
    """A loss that falls towards a value that depends on the learning rate."""
    distance = abs(config["lr"] - 0.1)
    return [distance + loss for loss in FALL]


def uneven(config: Mapping[str, Any], seed: int) -> float:
    """Between half a second and one and a half, by the trial's seed."""
    return 0.5 + seed / 2**32


def measure(controller: str, workers: int, trials: int) -> Measured:
    """One simulation of a number of trials."""
    sweep = Sweep(
        train,
        space=SPACE,
        metric="loss",
        resource={"max": STEPS},
        budget={"trials": trials},
        controller=controller,
        name="simulation",
    )
    began, cpu_began = time.perf_counter(), time.process_time()
    results = sweep.simulate(curve, workers, uneven)
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    events = sum(rung + 1 for rung in results.trials()["rung"].to_pylist())
    began = time.perf_counter()
    reports = len(results.reports())
    return Measured(events, seconds, cpu_s, reports, time.perf_counter() - began)


def main() -> None:
    """Measures, prints the table, and writes it beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="how much of it to run; 1 is the published form")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "simulation.md")
    arguments = parser.parse_args()
    measure("hyperband", 1, 100)  # SciPy, which makes the points, takes a second to import
    lines = [
        "# Simulation",
        "",
        f"Trials of up to {STEPS} steps in two dimensions, a curve of Python floats, uneven costs, one process.",
        "An event is the end of an assignment. Other programs on the cores make seconds exceed CPU time.",
        f"{sentence(environment('caviar', 'numpy', 'pyarrow'))} Made by `python benchmarks/simulation.py`.",
        "",
        "| controller | workers | events | seconds | a minute | a minute of CPU | reports | read in, s |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for controller, trials in TRIALS.items():
        for workers in WORKERS:
            lines.append(measure(controller, workers, round(trials * arguments.scale)).row(controller, workers))
    table = "\n".join(lines) + "\n"
    print(table)
    arguments.output.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
