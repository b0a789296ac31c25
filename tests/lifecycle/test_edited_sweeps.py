"""Going on with an edited spec: what may change, what is refused, and that no instant to crash at is a bad one."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from caviar.scheduler import InvalidSpecError, Results, RunSnapshot, Sweep
from caviar.scheduler.analysis.insights import results_warnings
from caviar.scheduler.analysis.status import sweep_status
from caviar.scheduler.execution.interrupts import Interrupts
from caviar.scheduler.execution.loop import SweepLoop
from caviar.scheduler.execution.record import MemoryRecord
from caviar.scheduler.execution.simulated import SimulatedExecutor
from caviar.scheduler.lifecycle import run as running
from caviar.scheduler.lifecycle.edits import check_edits
from caviar.scheduler.lifecycle.prepared import PreparedSweep
from caviar.scheduler.lifecycle.proposers import make_proposer
from caviar.scheduler.lifecycle.recorded import RecordedSweep, load_spec
from caviar.scheduler.lifecycle.resume import edited_fields
from caviar.scheduler.results import ReportTable
from caviar.scheduler.results.rows import trial_rows
from caviar.scheduler.storage import Location, SweepDirectory, read_journal, write_file

CODE = Path(__file__).with_name("plain_code.py")
TRAINER = f"{CODE}:descend_in_two_metrics"
WIDER = {"lr": {"log": [1e-4, 0.9]}, "width": {"integer": [1, 64]}, "kind": {"choice": ["a", "b"]}}


@pytest.fixture
def finished(recorded: Callable[..., Path], tmp_path: Path) -> Path:
    """A sweep of 14 trials, recorded in virtual time; its training code trains for real from here on."""
    alone = {"size": 1, "static": [], "padded": []}
    return recorded(tmp_path, trainer=TRAINER, budget={"trials": 14}, seed=3, fuse=alone)


def previewed(directory: Path, **fields: Any) -> Any:
    return Sweep.resume(directory, **fields).preview()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"seed": 4}, "seed: the sweep has 3 and cannot go on with 4; run a new sweep with warm_start: {directory}."),
        ({"resource": {"max": 9, "eta": 2}}, "resource.eta: the sweep has 3 and cannot go on with 2; "),
        ({"resource": {"max": 9, "min": 3}}, "resource.min: the sweep has 1 and cannot go on with 3; "),
        ({"trainer": f"{CODE}:descend"}, "trainer: the sweep has '{code}:descend_in_two_metrics' and cannot go on"),
        ({"space": {"lr": {"choice": ["1", "2"]}}}, "space.lr: its values are of the type float and cannot become str"),
        ({"metric": "speed"}, "metric: no report has speed; the reports have loss."),
        ({"name": "other"}, "name: the sweep's is that of its directory, 'recorded', got 'other'; rename the dir"),
        ({"assume": {"depth": 1}}, "assume.depth: there is no such hyperparameter, got 1; the space has lr, "),
    ],
)
def test_what_cannot_change_is_refused_in_a_sentence_and_nothing_is_touched(
    finished: Path, fields: dict[str, Any], words: str
) -> None:
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    with pytest.raises(InvalidSpecError) as raised:
        previewed(finished, **fields)
    assert str(raised.value).startswith(words.format(directory=finished, code=CODE))
    assert {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()} == before


def test_a_preview_says_what_changed_and_what_would_run_and_changes_nothing(finished: Path) -> None:
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    assert previewed(finished).resource == 0
    found = previewed(finished, budget={"trials": 30}, workers={"count": 4})
    assert [(edit.field, edit.old, edit.new) for edit in found.edits] == [
        ("budget.trials", 14, 30),
        ("workers.count", "max", 4),
    ]
    assert (found.done, found.pending, found.to_come) == (14, 0, 16)
    assert found.resource == sum(plan.cost for plan in found.brackets)
    assert found.seconds == pytest.approx(found.resource * found.step_seconds / 4)
    assert {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()} == before


def test_a_larger_budget_gives_the_brackets_of_a_sweep_that_had_it_from_the_start(
    recorded: Callable[..., Path], tmp_path: Path
) -> None:
    large = recorded(tmp_path / "large", trainer=TRAINER, budget={"trials": 40}, controller="hyperband")
    small = recorded(tmp_path / "small", trainer=TRAINER, budget={"trials": 14}, controller="hyperband")
    plans = RecordedSweep(SweepDirectory(large)).state.plans
    assert list(previewed(small, budget={"trials": 40}).planned) == plans


def test_a_spec_file_takes_the_place_of_the_sweeps_but_for_what_it_does_not_say_and_cannot_change(
    finished: Path, tmp_path: Path
) -> None:
    shutil.copy(CODE, tmp_path)
    spec = "name: any\nmetric: loss\nspace:\n  lr: {log: [1.0e-4, 1.0]}\nresource: {max: 9}\nbudget: {resource: 200}\n"
    (tmp_path / "new.yaml").write_text(spec)
    sweep = Sweep.resume(finished, **edited_fields(finished, {"max_failures": 3}, tmp_path / "new.yaml"))
    assert [edit.field for edit in sweep.preview().edits] == [
        "space.beta",
        "space.width",
        "space.kind",
        "budget.trials",
        "budget.resource",
        "max_failures",
    ]
    (tmp_path / "new.yaml").write_text(f"trainer: plain_code.py:descend_in_two_metrics\n{spec}")
    moved = Sweep.resume(finished, **edited_fields(finished, {}, tmp_path / "new.yaml")).preview()
    assert moved.edits[0].new == f"{tmp_path}/plain_code.py:descend_in_two_metrics"
    (tmp_path / "new.yaml").write_text(f"trainer: plain_code.py:descend\n{spec}")
    with pytest.raises(InvalidSpecError, match=r"^trainer: the sweep has "):
        Sweep.resume(finished, **edited_fields(finished, {}, tmp_path / "new.yaml")).preview()


def test_a_command_may_run_in_another_folder_and_not_become_another(finished: Path) -> None:
    command = {"command": ["python", "train.py"], "directory": "/there"}
    there, here, other = (
        load_spec(finished).model_copy(update={"trainer": {**command, **change}})
        for change in ({}, {"directory": "/here"}, {"command": ["python", "other.py"]})
    )
    check_edits(there, here, SweepDirectory(finished))
    with pytest.raises(InvalidSpecError, match=r"^trainer: the sweep has "):
        check_edits(there, other, SweepDirectory(finished))


@pytest.mark.slow
def test_one_sweep_is_edited_again_and_again(
    running_ray: None, tmp_path: Path, check_reports: Callable[[Results], None]
) -> None:
    """On real workers: a person stops it, changes the space in an editor, then the metric, and then only the budget."""

    def stop(snapshot: RunSnapshot) -> None:
        if sum(row.rung >= 0 for row in snapshot.state.rows) >= 4:
            (sweep.directory / "stop").touch()

    sweep = Sweep(
        TRAINER,
        space={"lr": {"log": [1e-4, 1.0]}},
        metric="val_loss",
        resource={"max": 9},
        budget={"trials": 10},
        workers={"count": 1},
        storage=tmp_path,
        name="edited",
    )
    sweep.run(stop)
    directory = sweep.directory
    begun = Results.open(directory).trials().num_rows

    text = sweep.spec.model_copy(
        update={
            "space": {"lr": {"log": [1e-3, 0.9]}, "width": {"integer": [1, 64]}},
            "assume": {"width": 8},
            "budget": sweep.spec.budget.model_copy(update={"trials": 24}),
        }
    ).to_yaml()
    Path(str(directory), "sweep.yaml").write_text(text)
    assert RecordedSweep(SweepDirectory(directory)).spec.space == {"lr": {"log": [1e-4, 1.0]}}
    assert sweep_status(directory).progress.planned_trials == 10
    results = Sweep.resume(directory).run()
    check_one_schema(directory)
    check_reports(results)
    rows = results.trials().to_pylist()
    assert len(rows) == 24
    assert {row["config_width"] for row in rows[:begun]} == {8}
    assert all(1e-3 <= row["config_lr"] <= 0.9 for row in rows if row["bracket"] > rows[begun - 1]["bracket"])
    assert set(results.reports().filter(trial_below(results, begun))["config_width"].to_pylist()) == {8}
    assert results_warnings(load_spec(directory).search_space, trial_rows(results), []) is not None

    best = Sweep.resume(directory, metric="accuracy", mode="max", budget={"trials": 34}).run().best
    results = Results.open(directory)
    check_one_schema(directory)
    check_reports(results)
    assert (results.metric, results.mode) == ("accuracy", "max")
    reports = {(row["trial"], row["step"]): row["accuracy"] for row in results.reports().to_pylist()}
    rows = results.trials().to_pylist()
    assert len(rows) == 34
    assert all(row["best_value"] == reports[row["trial"], row["best_step"]] for row in rows)
    assert best.value == max(row["best_value"] for row in rows)

    Sweep.resume(directory, budget={"trials": 36}).run()
    status = sweep_status(directory)
    assert (status.progress.trials, status.progress.planned_trials, status.runs) == (36, 36, 4)
    assert status.best is not None
    assert status.best.best_value == Results.open(directory).best.value


def trial_below(results: Results, number: int) -> Any:
    return [trial < number for trial in results.reports()["trial"].to_pylist()]


def check_one_schema(directory: Location) -> None:
    schemas = [pq.read_schema(part) for part in sorted(Path(str(directory), "results").iterdir())]
    assert len(schemas) > 1
    assert all(schema.equals(schemas[0], check_metadata=True) for schema in schemas)


class Killed(BaseException):
    """The process ends here."""


def curve(config: Any, seed: int) -> list[float]:
    return [abs(float(config["lr"]) - 0.1) + 0.001 * config["width"] + 1 / step for step in range(1, 10)]


@pytest.fixture
def in_virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps run in their directories as always, on simulated workers."""

    @contextmanager
    def workers(sweep: PreparedSweep, *_: Any) -> Iterator[Callable[[], SimulatedExecutor]]:
        yield lambda: SimulatedExecutor(curve, sweep.spec.metric, 2, proposer=sweep.proposer())

    monkeypatch.setattr(running, "workers_on_demand", workers)


def table_of(directory: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = Results.open(directory).trials().drop_columns(["elapsed_s"]).to_pylist()
    return rows


@pytest.mark.usefixtures("in_virtual_time")
def test_parts_are_rewritten_only_where_an_edit_changes_their_columns(finished: Path) -> None:
    for fields, rewritten in (({"budget": {"trials": 14}}, False), ({"mode": "max", "budget": {"trials": 20}}, True)):
        Sweep.resume(finished, **fields).run()
        assert ("rewriting" in {event["type"] for event in read_journal(finished / "journal")}) is rewritten


@pytest.mark.usefixtures("in_virtual_time")
def test_initial_configurations_that_are_new_come_first_among_the_trials_that_follow(
    recorded: Callable[..., Path], tmp_path: Path
) -> None:
    begun = {"trainer": TRAINER, "budget": {"trials": 14}, "fuse": {"size": 1, "static": [], "padded": []}}
    directory = recorded(tmp_path, **begun, initial=[{"lr": 0.5}, {"lr": 0.03}])
    narrow = {**load_spec(directory).space, "lr": {"log": [1e-4, 0.1]}}
    with pytest.raises(InvalidSpecError, match=r"^initial\[0\]\.lr: 0\.5 is outside the range 0\.0001 to 0\.1\.$"):
        Sweep.resume(directory, space=narrow)
    Sweep.resume(directory, space=narrow, initial=[{"lr": 0.03}, {"lr": 0.02}], budget={"trials": 20}).run()
    rates = [row["config_lr"] for row in table_of(directory)]
    assert [rates[trial] for trial in (0, 1, 14)] == [0.5, 0.03, 0.02]
    assert rates.count(0.03) == 1
    assert previewed(directory).edits == []


@pytest.mark.usefixtures("in_virtual_time")
@pytest.mark.parametrize("instant", ["write_trials", "write_file", "ReportWriter"])
def test_a_crash_at_any_instant_of_an_edit_leaves_a_sweep_that_is_read_and_goes_on_with_the_edit(
    finished: Path, monkeypatch: pytest.MonkeyPatch, instant: str
) -> None:
    shutil.copytree(finished, finished.parent / "copy" / "recorded")
    fields: dict[str, Any] = {"space": WIDER, "mode": "max", "budget": {"trials": 20}}
    Sweep.resume(finished.parent / "copy" / "recorded", **fields).run()
    written: list[object] = []

    def die(*arguments: Any) -> None:
        written.append(arguments)
        if instant == "write_file" and len(written) == 1:
            write_file(*arguments)  # one part has its new columns, the others not yet
            return
        raise Killed

    place = "caviar.scheduler.results.migration" if instant == "write_file" else "caviar.scheduler.lifecycle.opening"
    with monkeypatch.context() as patch:
        patch.setattr(f"{place}.{instant}", die)
        with pytest.raises(Killed):
            Sweep.resume(finished, **fields).run()
    assert sweep_status(finished).progress.trials == 14
    Sweep.resume(finished).run()
    check_one_schema(finished)
    assert RecordedSweep(SweepDirectory(finished)).spec.space == WIDER
    assert table_of(finished) == table_of(finished.parent / "copy" / "recorded")


@pytest.mark.usefixtures("in_virtual_time")
def test_the_journal_of_an_edited_sweep_cut_anywhere_is_replayed_into_one_that_ends_the_same(finished: Path) -> None:
    Sweep.resume(finished, space=WIDER, budget={"trials": 20}).run()
    Sweep.resume(finished, mode="max", budget={"trials": 26}).run()
    directory, events = SweepDirectory(finished), read_journal(finished / "journal")
    edits = [number for number, event in enumerate(events) if event["type"] == "edited"]
    assert len(edits) == 2
    spec = RecordedSweep(directory).spec
    expected = [replace(row, elapsed_s=0.0) for row in RecordedSweep(directory).replay().rows]
    for length in range(edits[1] + 1, len(events) + 1, 3):
        state = RecordedSweep(directory, events=events[:length], written=spec).replay()
        executor = SimulatedExecutor(curve, spec.metric, 3, proposer=make_proposer(spec))
        record = MemoryRecord(ReportTable(spec.search_space.value_types, spec.metric, spec.mode))
        SweepLoop(state, executor, record, Interrupts()).run()
        assert [replace(row, elapsed_s=0.0) for row in state.rows] == expected
