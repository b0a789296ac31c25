"""The cost of looking again at a sweep that runs: what was added to its journal, not what it has become.

    python benchmarks/following.py --trials 100000

Makes the directory of a sweep of many trials in virtual time, reads and replays all of its journal but the end, and
then follows the end event by event, as a live page does.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from environment import environment, sentence

from caviar.scheduler import SweepSpec
from caviar.scheduler.execution.interrupts import Interrupts
from caviar.scheduler.execution.loop import SweepLoop
from caviar.scheduler.execution.record import DurableRecord
from caviar.scheduler.execution.simulated import SimulatedExecutor
from caviar.scheduler.lifecycle.recorded import RecordedSweep, new_state
from caviar.scheduler.results import ReportWriter
from caviar.scheduler.storage import Journal, SweepDirectory, read_journal, write_file

POLLS = 100
"""Events that are followed one by one."""


def make_sweep(storage: Path, trials: int) -> SweepDirectory:
    """The directory of a finished sweep of random search with one step a trial, on ten simulated workers."""
    fields = {"name": "long", "trainer": None, "metric": "loss", "controller": "random", "resource": {"max": 1}}
    space = {"lr": {"log": [1e-4, 1.0]}, "width": {"integer": [4, 64]}}
    spec = SweepSpec.parse({**fields, "space": space, "budget": {"trials": trials}, "storage": storage})
    directory, types = SweepDirectory(spec.directory), spec.search_space.value_types
    directory.create()
    write_file(directory.spec, spec.to_yaml().encode(), directory.staging)
    journal = Journal.open(directory.journal)
    journal.append({"type": "opened", "time": 0.0, "versions": {}, "spec": spec.to_yaml()})
    record = DurableRecord(directory, journal, ReportWriter(directory, types, spec.metric, spec.mode), types)
    executor = SimulatedExecutor(lambda config, _: [float(str(config["lr"]))], spec.metric, 10)
    SweepLoop(new_state(spec), executor, record, Interrupts()).run()
    record.release()
    return directory


def measure(directory: SweepDirectory, folder: Path) -> tuple[float, float, int]:
    """Seconds for all but the last events at once, the median for each of the last, and the outcomes in all."""
    events = read_journal(directory.journal)
    growing = SweepDirectory(folder / "growing")
    growing.create()
    growing.spec.write_bytes(directory.spec.read_bytes())
    polls = list[float]()
    with Journal.open(growing.journal) as journal:
        for event in events[:-POLLS]:
            journal.append(event)
        journal.commit()
        began = time.perf_counter()
        followed = RecordedSweep(growing)
        _ = followed.state
        whole = time.perf_counter() - began
        for event in events[-POLLS:]:
            journal.append(event)
            journal.commit()
            began = time.perf_counter()
            followed.advance()
            polls.append(time.perf_counter() - began)
    outcomes = sum(len(event["outcomes"]) for event in events if event["type"] == "ended")
    return whole, statistics.median(polls), outcomes


def main() -> None:
    """Prints what the first look and each further one cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        directory = make_sweep(Path(folder), arguments.trials)
        whole, poll, outcomes = measure(directory, Path(folder))
    print(sentence(environment()))
    print(f"{outcomes:,} outcomes: the first look reads and replays them in {whole:.2f} s, each further one takes")
    print(f"{poll * 1e3:.2f} ms, which is 1/{whole / poll:,.0f} of it.")


if __name__ == "__main__":
    main()
