"""A sweep with trials that begin from others' checkpoints: its files are in order, and what it lacks is said."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from caviar.scheduler import Results, Sweep
from caviar.scheduler.doctor.files import Severity, examine, repair
from caviar.scheduler.execution.simulated import SimulatedExecutor
from caviar.scheduler.execution.snapshot import RunSnapshot
from caviar.scheduler.lifecycle import recorded
from caviar.scheduler.lifecycle import run as running
from caviar.scheduler.results.schema import to_parquet
from caviar.scheduler.storage import Checkpoints, SweepDirectory
from caviar.search_spaces import Uniform

from ...exploiting import ExploitingController
from .conftest import save, tables, train

pytestmark = pytest.mark.slow
LACKS = "is no checkpoint that verifies, and other trials begin from it"


def curve(config: Mapping[str, Any], seed: int) -> list[float]:
    return [config["x"] + 1 / step for step in range(1, 10)]


@pytest.fixture(scope="module", autouse=True)
def simulated_population() -> Iterator[None]:
    """Sweeps are small populations on two simulated workers."""

    @contextmanager
    def workers(*_: Any) -> Iterator[Callable[[], SimulatedExecutor]]:
        yield cache(lambda: SimulatedExecutor(curve, "loss", 2))

    def population(_: Any) -> ExploitingController:
        return ExploitingController([{"x": number / 4} for number in range(4)])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "workers_on_demand", workers)
        patch.setattr(recorded, "make_controller", population)
        yield


def new_sweep(storage: Path, name: str) -> Sweep:
    return Sweep(
        train,
        storage=storage,
        name=name,
        space={"x": Uniform(0.0, 1.0)},
        metric="loss",
        resource={"max": 9},
        controller="hyperband",
        budget={"trials": 9},
        seed=7,
    )


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    new_sweep(tmp_path, "finished").run()
    parents = Results.open(tmp_path / "finished").trials()["parent"].to_pylist()
    assert parents == [None, None, None, None, 0, 0]
    return tmp_path / "finished"


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A sweep that was stopped when the first child had been given out; other trials have their checkpoints."""
    directory = SweepDirectory(tmp_path / "stopped")

    def stop(snapshot: RunSnapshot) -> None:
        if any(row.parent is not None for row in snapshot.state.rows):
            directory.stop.touch()

    new_sweep(tmp_path, "stopped").run(stop)
    for row in Results.open(directory.path).trials().to_pylist():
        for step in range((row["parent_step"] or 0) + 1, row["step"] + 1):
            Checkpoints.of(directory).write(row["trial"], step, save, {"metrics": {}, "ended": False})
    directory.stop.unlink()
    child = Results.open(directory.path).trials().to_pylist()[4]
    assert (child["parent"], child["parent_step"], child["step"], child["state"]) == (0, 1, 1, "pending")
    return tmp_path / "stopped"


def test_its_files_are_in_order(finished: Path, stopped: Path) -> None:
    assert examine(finished).findings == []
    assert examine(stopped).findings == []


def test_a_lost_checkpoint_that_a_child_begins_from_is_broken_and_has_to_be_put_back(stopped: Path) -> None:
    checkpoint = stopped / "checkpoints" / "0" / "1"
    shutil.move(checkpoint, stopped.parent / "copy")
    (finding,) = examine(stopped).findings
    assert (finding.severity, finding.path, finding.fix) == (Severity.BROKEN, checkpoint, None)
    assert finding.problem == LACKS
    shutil.move(stopped.parent / "copy", checkpoint)
    assert examine(stopped).findings == []


def test_a_child_that_has_a_checkpoint_of_its_own_needs_its_parents_no_more(stopped: Path) -> None:
    Checkpoints.of(SweepDirectory(stopped)).write(4, 1, save, {"metrics": {}, "ended": False})
    shutil.rmtree(stopped / "checkpoints" / "0" / "1")
    assert examine(stopped).findings == []


def test_a_lost_part_with_a_childs_reports_is_repaired_and_resumed_to_the_same_tables(finished: Path) -> None:
    expected = tables(finished)
    children = [
        part
        for part in sorted((finished / "results").glob("*.parquet"))
        if {4, 5} & set(pq.read_table(part)["trial"].to_pylist())
    ]
    children[0].unlink()
    assert not examine(finished).healthy
    findings = repair(finished).after.findings
    broken = {finding.problem for finding in findings if finding.severity is Severity.BROKEN}
    assert broken <= {LACKS}, "a simulation has no checkpoints, and needs none"
    Sweep.resume(finished, trainer=train).run()
    assert all(one.equals(other) for one, other in zip(tables(finished), expected, strict=True))


def test_a_table_of_trials_from_before_there_were_parents_is_in_order_and_can_be_read(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorded, "make_controller", lambda _: ExploitingController([{"x": 0.5}]))
        new_sweep(tmp_path, "old").run()
        file = tmp_path / "old" / "trials.parquet"
        table = pq.read_table(file)
        file.write_bytes(to_parquet(table.drop_columns(["parent", "parent_step"])))
        assert examine(tmp_path / "old").findings == []
    results = Results.open(tmp_path / "old")
    assert results.trials().equals(table)
    assert results.sql("select parent, parent_step from trials").to_pylist() == [{"parent": None, "parent_step": None}]
