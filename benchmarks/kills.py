"""Kills side by side: what Caviar, Ray Tune and Optuna lose, repeat and ask of a person when a process is killed.

    .venv/bin/pip install -c constraints.txt -e '.[bench]'
    .venv/bin/python benchmarks/kills.py

The same twelve trials of eighteen steps in each tuner, two at a time. In one sweep the tuner's process is killed at the
same shares of the work and started again as its documentation says; in another one of its two workers is killed. Each
trained step leaves a line outside of what the tuner writes, so what it lost and did again can be counted.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from environment import environment, sentence
from kills_training import PACE_S, STEPS, TRIALS, WORKERS

HERE = Path(__file__).parent
DRIVER_AT, WORKER_AT = (0.1, 0.25, 0.45, 0.65, 0.85), (0.2, 0.5, 0.8)
"""Shares of the steps after which a process is killed."""
_RUN_S = 180.0


@dataclass(frozen=True, slots=True)
class Contestant:
    """One tuner with its settings.

    Attributes:
        name: What the table calls it.
        command: The script and its first arguments.
        processes: How many processes a person starts: 1 where there is a driver, else one a worker.
        by_hand: What a person does after the tuner's process, or all of it, was killed.
        after_worker: The same after one worker was killed.
    """

    name: str
    command: tuple[str, ...]
    processes: int
    by_hand: str
    after_worker: str


_RESTART = "start the killed process again, or have a supervisor do so"
CONTESTANTS = (
    Contestant("Caviar, random", ("kills_caviar.py", "random"), 1, "`caviar resume DIR`", "nothing"),
    Contestant("Caviar, hyperband", ("kills_caviar.py", "hyperband"), 1, "`caviar resume DIR`", "nothing"),
    Contestant(
        "Ray Tune",
        ("kills_ray_tune.py",),
        1,
        "a program with `Tuner.restore(path, trainable, resume_errored=True).fit()`, and the same trainable",
        "nothing",
    ),
    Contestant(
        "Optuna, journal file",
        ("kills_optuna.py", "journal"),
        WORKERS,
        "start all processes again; find the trials that stay RUNNING for good and enqueue them anew",
        f"{_RESTART}; find the trial that stays RUNNING for good and enqueue it anew",
    ),
    Contestant(
        "Optuna, SQLite, heartbeat",
        ("kills_optuna.py", "sqlite"),
        WORKERS,
        "start all processes again; write and find checkpoints in the objective",
        f"{_RESTART}; write and find checkpoints in the objective",
    ),
)


@dataclass(slots=True)
class Outcome:
    """What came of one sweep.

    Attributes:
        tuner: The contestant's name.
        victim: "driver" or "worker".
        seed: Its seed.
        kills: How often a process was killed.
        trained: Lines: steps that were trained, again or not.
        repeated: Of these, those that were trained before.
        rerun: How often a trial began at its first step again.
        lost: Steps that were trained and of which the results have no report in the end.
        duplicated: Reports that the results have more than once.
        abandoned: Trials that were begun and never ended.
        ended: Trials that ended.
        unreadable: How often the results could not be read before the restart.
        seconds: From each restart to the first step that was trained after it.
        status: How the last process ended.
    """

    tuner: str
    victim: str
    seed: int
    kills: int = 0
    trained: int = 0
    repeated: int = 0
    rerun: int = 0
    lost: int = 0
    duplicated: int = 0
    abandoned: int = 0
    ended: int = 0
    unreadable: int = 0
    seconds: list[float] = field(default_factory=list)
    status: int | None = None


class Contest:
    """One sweep of one tuner in a folder of its own.

    Args:
        contestant: The tuner.
        seed: Its seed.
        folder: Empty.
    """

    def __init__(self, contestant: Contestant, seed: int, folder: Path) -> None:
        self._contestant, self._seed, self._folder = contestant, seed, folder
        self._lines = folder / "lines.txt"
        self._lines.touch()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._starts = 0

    def run(self, victim: str, shares: Sequence[float], work: int) -> Outcome:
        """Runs the sweep to its end, killing on the way.

        Args:
            victim: "driver" or "worker".
            shares: When, as shares of the work.
            work: How many steps the sweep has without kills.
        """
        outcome = Outcome(self._contestant.name, victim, self._seed)
        self._start("run")
        for share in shares:
            if not self._reached(round(share * work)):
                break
            outcome.kills += self._kill(victim)
            if victim == "driver":
                outcome.unreadable += self._read() is None
            before, restarted = self._count(), time.monotonic()
            self._start("resume")
            if self._reached(before + 1) and victim == "driver":
                outcome.seconds.append(time.monotonic() - restarted)
        self._reached(10**9)
        outcome.status = max(abs(process.wait()) for process in self._processes.values())
        self._judge(outcome)
        return outcome

    def close(self) -> None:
        """Ends what is left."""
        for process in self._processes.values():
            if process.poll() is None:
                _kill_family(process)

    def _start(self, action: str) -> None:
        """Starts the processes that do not run."""
        for worker in range(self._contestant.processes):
            process = self._processes.get(worker)
            if process is not None and process.poll() is None:
                continue
            self._starts += 1
            script, *first = self._contestant.command
            # A sampler that starts again from its seed would draw the same configurations again.
            arguments = [*first, action, str(self._folder), str(self._seed + 1000 * (self._starts - 1))]
            with (self._folder / "output.txt").open("ab") as output:
                self._processes[worker] = subprocess.Popen(
                    [sys.executable, str(HERE / script), *arguments],
                    stdout=output,
                    stderr=output,
                    env={**os.environ, "RAY_TMPDIR": str(self._folder), "RAY_AUTH_MODE": "disabled"},
                    start_new_session=True,
                )

    def _reached(self, lines: int) -> bool:
        """Waits for so many lines; false where all processes end before."""
        limit = time.monotonic() + _RUN_S
        while any(process.poll() is None for process in self._processes.values()) and time.monotonic() < limit:
            if self._count() >= lines:
                return True
            time.sleep(0.02)
        return False

    def _kill(self, victim: str) -> int:
        if victim == "driver":
            for process in self._processes.values():
                _kill_family(process, first=True)
            return 1
        if self._contestant.processes > 1:
            self._processes[0].kill()
            self._processes[0].wait()
            return 1
        for line in reversed(self._lines.read_text().splitlines()):
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                os.kill(int(line.split()[3]), signal.SIGKILL)
                return 1
        return 0

    def _count(self) -> int:
        return self._lines.read_bytes().count(b"\n")

    def _read(self) -> dict[str, Any] | None:
        """What the results hold; None where they cannot be read."""
        script, *first = self._contestant.command
        command = [sys.executable, str(HERE / script), *first, "read", str(self._folder), str(self._seed)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_RUN_S, check=False)
        if done.returncode:
            (self._folder / "unreadable.txt").write_text(done.stderr)
            return None
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def _judge(self, outcome: Outcome) -> None:
        lines = [line.split() for line in self._lines.read_text().splitlines()]
        trained = Counter((float(x), int(step)) for x, step, *_ in lines)
        found = self._read() or {"reports": [], "ended": 0}
        reported = Counter((float(x), int(step)) for x, step in found["reports"])
        outcome.trained = len(lines)
        outcome.repeated = len(lines) - len(trained)
        outcome.rerun = sum(times - 1 for (_, step), times in trained.items() if step == 1)
        outcome.lost = len(set(trained) - set(reported))
        outcome.duplicated = sum(times - 1 for times in reported.values())
        outcome.ended = found["ended"]
        outcome.abandoned = len({x for x, _ in trained}) - outcome.ended


def _kill_family(process: subprocess.Popen[bytes], *, first: bool = False) -> None:
    """SIGKILL for a process, and for what it started once that had time to end by itself."""
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    _, left = psutil.wait_procs(family, timeout=10 if first else 0)
    for child in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


def measure(seeds: Sequence[int], names: Sequence[str]) -> list[Outcome]:
    """All sweeps."""
    outcomes = []
    for seed in seeds:
        for contestant in CONTESTANTS:
            if contestant.name not in names:
                continue
            work = 6 * TRIALS if "hyperband" in contestant.name else TRIALS * STEPS
            for victim, shares in (("driver", DRIVER_AT), ("worker", WORKER_AT)):
                folder = Path(tempfile.mkdtemp(prefix="kills-"))
                contest = Contest(contestant, seed, folder)
                outcomes.append(contest.run(victim, shares, work))
                contest.close()
                shutil.rmtree(folder, ignore_errors=True)
                print(outcomes[-1], file=sys.stderr, flush=True)
    return outcomes


def table(outcomes: Sequence[Outcome], where: dict[str, str], command: str) -> str:
    """The figures as Markdown."""
    seeds = sorted({outcome.seed for outcome in outcomes})
    lines = [
        "# Kills side by side",
        "",
        f"{TRIALS} trials of {STEPS} steps of {PACE_S:g} s, {WORKERS} at a time; sums over {len(seeds)} seeds."
        f" {sentence(where)} Made by `{command}`.",
    ]
    for victim, title in (("driver", "The tuner's process is killed"), ("worker", "One of two workers is killed")):
        lines += [
            "",
            f"## {title}",
            "",
            "| tuner | kills | reports lost | reports twice | steps trained | of these repeated | trials begun anew"
            " | trials abandoned | trials ended | not readable after a kill | seconds until it goes on |",
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        ]
        for contestant in CONTESTANTS:
            chosen = [one for one in outcomes if (one.tuner, one.victim) == (contestant.name, victim)]
            if not chosen:
                continue
            names = ("kills", "lost", "duplicated", "trained", "repeated", "rerun", "abandoned", "ended", "unreadable")
            sums = [sum(getattr(one, name) for one in chosen) for name in names]
            seconds = [number for one in chosen for number in one.seconds]
            middle = f"{statistics.median(seconds):.1f}" if seconds else ""
            lines.append(f"| {contestant.name} | {' | '.join(map(str, sums))} | {middle} |")
    lines += ["", "## What a person does", "", "| tuner | after its process was killed | after a worker was killed |"]
    lines += ["|---|---|---|"]
    lines += [f"| {one.name} | {one.by_hand} | {one.after_worker} |" for one in CONTESTANTS]
    lines += ["", "## How to read it", "", *_NOTES, "", "## Raw figures", "", "```json"]
    lines += [json.dumps(asdict(one)) for one in outcomes]
    return "\n".join([*lines, "```"]) + "\n"


_NOTES = (
    "- A report is lost if its step was trained, by whichever process, and the results have no row of it in the end.",
    "- All save a checkpoint each step (`checkpoints: {every: 1}`), as the peers' guides do; that costs files."
    " `hyperband` stops trials early, so it trains fewer steps.",
    "- Caviar makes reports durable within a second of an outcome, and within ten seconds at most: what came after that"
    " is trained again when its driver is killed. With steps this short that is several assignments.",
    "- Ray Tune: `FailureConfig(max_failures=3)` and `Tuner.restore` with `resume_errored=True`; all checkpoints are"
    " kept, which is its default. With `num_to_keep=1` restored trials failed: their checkpoint was deleted already.",
    "- Optuna has no driver: both of its processes are killed where the others' driver is. `JournalStorage` has no"
    " heartbeat, so a killed trial stays RUNNING and a new configuration takes its place. With SQLite the heartbeat is"
    " 1 s and the grace period 2 s, the shortest that suit trials of seconds.",
    "- Seconds run from the start of the command to the first step trained after it, with the start of Python and Ray.",
)


def main() -> None:
    """Measures, prints the table and writes it beside this file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--tuners", nargs="+", default=[one.name for one in CONTESTANTS])
    parser.add_argument("--output", type=Path, default=HERE / "results" / "kills.md")
    arguments = parser.parse_args()
    outcomes = measure(arguments.seeds, arguments.tuners)
    where = environment("caviar", "ray", "optuna")
    text = table(outcomes, where, " ".join(["python benchmarks/kills.py", *sys.argv[1:]]))
    print(text)
    arguments.output.write_text(text)


if __name__ == "__main__":
    main()
