"""What one driver can serve: its processor time a report and an assignment, without Ray and with a thousand workers.

    .venv/bin/python benchmarks/scaling.py

The first table runs the loop, the record and the progress of a sweep on simulated workers, everything durable: what the
driver does by itself. The second runs the real executor on a cluster of several raylets on this machine, with up to a
thousand workers that train nothing (`scaling_crowd`): what Ray adds to it. The driver's processor time is that of its
process, Ray's threads in it included.
"""

import argparse
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from environment import environment, sentence

from caviar.scheduler.analysis.progress import ProgressMeter
from caviar.scheduler.execution.cluster.environment import configure_ray_environment
from caviar.scheduler.execution.interrupts import Interrupts
from caviar.scheduler.execution.loop import SweepLoop
from caviar.scheduler.execution.record import DurableRecord
from caviar.scheduler.execution.simulated import SimulatedExecutor
from caviar.scheduler.execution.snapshot import RunSnapshot
from caviar.scheduler.execution.throttle import Throttle
from caviar.scheduler.lifecycle.recorded import new_state
from caviar.scheduler.results import ReportWriter
from caviar.scheduler.spec.spec import SweepSpec
from caviar.scheduler.storage import Journal, SweepDirectory, write_file

ASSIGNMENT_S = 60.0
"""Virtual seconds of an assignment on average; they differ by up to half of it."""
ALONE = [("random", 1_000, 20_000, 1), ("random", 1_000, 5_000, 100), ("random", 10_000, 100_000, 1)]
ALONE += [("hyperband", 1_000, 20_000, 27)]
"""Controller, workers, trials, steps of a trial."""
CROWDS = [(100, 400), (300, 1_200), (1_000, 4_000)]
"""Workers and trials."""
RAYLETS, STEP_S, STEPS = 8, 1.0, 15


@dataclass(frozen=True)
class Measured:
    """One run.

    Attributes:
        assignments: Assignments that ended.
        reports: Reports that were made.
        cpu_s: Processor seconds of the driver's process.
        seconds: Seconds of the run on its own clock: virtual ones without Ray.
        parts: Parquet parts.
        answers: Answers of workers; 0 without Ray.
    """

    assignments: int
    reports: int
    cpu_s: float
    seconds: float
    parts: int
    answers: int = 0


def spec_of(controller: str, trials: int, steps: int, storage: str) -> SweepSpec:
    """A sweep in two dimensions."""
    return SweepSpec.parse(
        {
            "name": "scaling",
            "trainer": None,
            "metric": "loss",
            "space": {"lr": {"log": [1e-4, 1.0]}, "momentum": {"inverse_log": [0.9, 0.999]}},
            "resource": {"min": 1 if controller == "hyperband" else steps, "max": steps},
            "budget": {"trials": trials},
            "controller": controller,
            "storage": storage,
        }
    )


def alone(controller: str, workers: int, trials: int, steps: int) -> Measured:
    """The driver on simulated workers, with its journal, its Parquet parts and its progress."""
    curve, cost = [1 / step for step in range(1, steps + 1)], ASSIGNMENT_S / steps

    def uneven(_: Mapping[str, Any], seed: int) -> float:
        return cost * (0.5 + seed / 2**32)

    with tempfile.TemporaryDirectory(prefix="scaling-") as folder:
        spec = spec_of(controller, trials, steps, folder)
        directory, types = SweepDirectory(spec.directory), spec.search_space.value_types
        directory.create()
        write_file(directory.spec, spec.to_yaml().encode(), directory.staging)
        journal = Journal.open(directory.journal)
        journal.append({"type": "opened", "time": 0.0, "versions": {}})
        record = DurableRecord(directory, journal, ReportWriter(directory, types, spec.metric, spec.mode), types)
        executor, state = SimulatedExecutor(lambda *_: curve, spec.metric, workers, uneven), new_state(spec)
        meter = ProgressMeter(spec)

        throttle = Throttle(0.5, 0.05)

        def observe(snapshot: RunSnapshot) -> None:
            """What the progress display does."""
            if throttle.due(snapshot.elapsed_s):
                began = time.perf_counter()
                meter.measure(snapshot.state.rows, snapshot.state.spent)
                throttle.done(snapshot.elapsed_s, time.perf_counter() - began)

        began = time.process_time()
        SweepLoop(state, executor, record, Interrupts(), inf, observe).run()
        cpu_s = time.process_time() - began
        record.release()
        rows, parts = state.rows, len(list(Path(folder).glob("*/results/*.parquet")))
    return Measured(sum(row.rung + 1 for row in rows), state.spent, cpu_s, executor.now(), parts)


def crowd(workers: int, trials: int) -> Measured:
    """The real executor on workers that train nothing."""
    from scaling_crowd import seated  # noqa: PLC0415 Ray reads the environment when it is imported

    from caviar.scheduler import Sweep  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="scaling-") as folder, seated(workers, RAYLETS, STEP_S) as polls:
        sweep = Sweep(
            train,
            space={"lr": {"log": [1e-4, 1.0]}, "momentum": {"inverse_log": [0.9, 0.999]}},
            metric="loss",
            resource={"min": STEPS, "max": STEPS},
            budget={"trials": trials},
            workers={"count": workers},
            controller="random",
            storage=folder,
            name="crowd",
        )
        began, cpu_began = time.perf_counter(), time.process_time()
        results = sweep.run()
        cpu_s, seconds = time.process_time() - cpu_began, time.perf_counter() - began
        reports = results.sql("select count(*) from reports").column(0)[0].as_py()
        parts = len(list(Path(folder).glob("*/results/*.parquet")))
    return Measured(trials, reports, cpu_s, seconds, parts, len(polls))


def train(trial: Any) -> Iterator[dict[str, float]]:
    """What real workers would call."""
    raise AssertionError("a crowd trains nothing")
    yield {}


def alone_row(controller: str, workers: int, steps: int, found: Measured) -> str:
    """A row of the first table."""
    each, busy = 1e6 * found.cpu_s / found.assignments, found.cpu_s / found.seconds
    return (
        f"| {controller} | {workers:,} | {found.assignments:,} | {found.reports:,} | {found.cpu_s:.1f} | {each:,.0f}"
        f" | {1e6 * found.cpu_s / found.reports:,.1f} | {found.seconds:,.0f} | {busy:.1%} | {found.parts:,} |"
    )


def crowd_row(workers: int, found: Measured) -> str:
    """A row of the second table."""
    ideal, busy = found.assignments / workers * STEPS * STEP_S, found.cpu_s / found.seconds
    return (
        f"| {workers:,} | {found.assignments:,} | {found.reports:,} | {found.seconds:.1f} | {ideal:.0f}"
        f" | {found.reports / found.seconds:,.0f} | {found.assignments / found.seconds:,.1f} | {found.answers:,}"
        f" | {found.cpu_s:.1f} | {busy:.0%} | {1e3 * found.cpu_s / found.answers:.2f} | {found.parts} |"
    )


def main() -> None:
    """Measures, prints the tables, and writes them beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="how much of it to run; 1 is the published form")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "scaling.md")
    arguments = parser.parse_args()
    logging.getLogger("ray").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="sc", dir="/tmp", ignore_cleanup_errors=True) as folder:
        os.environ |= {"RAY_TMPDIR": folder, "RAY_AUTH_TOKEN_PATH": f"{folder}/token"}
        configure_ray_environment()
        lines = tables(arguments.scale)
    print("\n".join(lines))
    arguments.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


def tables(scale: float) -> list[str]:
    """Both tables as lines of Markdown."""
    alone("hyperband", 10, 100, 9)  # what is imported and made once
    lines = [
        "# Scaling",
        "",
        f"{sentence(environment('caviar', 'ray', 'pyarrow', 'numpy'))} Made by `python benchmarks/scaling.py`.",
        "",
        f"The driver by itself: simulated workers, assignments of {ASSIGNMENT_S:.0f} s on average, everything durable.",
        "",
        "| controller | workers | assignments | reports | CPU, s | µs an assignment | µs a report | virtual s"
        " | of a core | parts |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for controller, workers, trials, steps in ALONE:
        found = alone(controller, workers, max(workers, round(trials * scale)), steps)
        lines.append(alone_row(controller, workers, steps, found))
    lines += [
        "",
        f"With Ray: {RAYLETS} raylets on this machine, workers that report every {STEP_S:g} s, {STEPS} reports an"
        " assignment. `ideal` is the time without any overhead.",
        "",
        "| workers | assignments | reports | seconds | ideal | reports/s | assignments/s | answers | CPU, s | of a core"
        " | ms an answer | parts |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for workers, trials in CROWDS:
        lines.append(crowd_row(workers, crowd(workers, round(trials * scale))))
    return lines


if __name__ == "__main__":
    main()
