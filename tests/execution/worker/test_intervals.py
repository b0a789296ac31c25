"""Checkpoints between two rungs: after a crash at any instant no report is missing, none is made twice."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caviar.scheduler.core.controllers.registry import SearchConfig, make_controller
from caviar.scheduler.core.controllers.schedule import Budget, Resource
from caviar.scheduler.core.state import SweepState
from caviar.scheduler.core.trials.assignment import Assignment, Outcome, OutcomeStatus
from caviar.scheduler.core.trials.reports import ReportBatch
from caviar.scheduler.execution.worker.engine import Engine
from caviar.scheduler.execution.worker.report_queue import ReportQueue
from caviar.scheduler.execution.worker.settings import TrainingSettings
from caviar.scheduler.lifecycle.opening import recover_checkpoints
from caviar.scheduler.results import ReportWriter, drop_uncovered, find_parts
from caviar.scheduler.storage import Checkpoints, SweepDirectory
from caviar.search_spaces import SearchSpace, Uniform
from caviar.trainers import load_trainer

pytestmark = pytest.mark.slow

CODE = Path(__file__).parents[1] / "training_code.py"
Settings = Callable[..., TrainingSettings]
Work = Callable[..., Assignment]
LAST = 12


def checkpoints_of(directory: SweepDirectory) -> Checkpoints:
    return Checkpoints(directory.checkpoints, directory.staging)


def trained(settings: TrainingSettings, work: Sequence[Assignment]) -> tuple[list[Outcome], ReportBatch]:
    """What a worker that has just been started makes of a group."""
    reports = ReportQueue()
    engine = Engine(settings, reports)
    outcomes = engine.run(work)
    engine.close()
    return outcomes, reports.drain()


def test_a_checkpoint_is_saved_after_each_interval_and_at_the_rung(
    settings: Settings, work: Work, directory: SweepDirectory
) -> None:
    trained(settings("walk", resource_max=12, every=4), [work(stop=11)])
    assert checkpoints_of(directory).steps(0) == [4, 8, 11]
    trained(settings("walk", resource_max=12), [work(trial=1, stop=11)])
    assert checkpoints_of(directory).steps(1) == [11]


def test_lanes_are_saved_after_each_interval_and_go_on_to_the_same_values(
    settings: Settings, work: Work, directory: SweepDirectory
) -> None:
    trainer = load_trainer("caviar.trainers.pytorch.digits:train")
    config = {"lr": 0.1, "momentum": 0.5, "hidden": 8, "layers": 1, "dropout": 0.1}
    group = [work(trial=trial, stop=3, config=config, group=0) for trial in range(2)]
    told = TrainingSettings(trainer, "val_loss", 3, directory.path, fuse=True)
    outcomes, reports = trained(replace(told, every=1), group)
    assert [outcome.status for outcome in outcomes] == [OutcomeStatus.COMPLETED] * 2
    assert [checkpoints_of(directory).steps(trial) for trial in range(2)] == [[1, 2, 3]] * 2
    _, undisturbed = trained(told, group)
    assert reports.step.tolist() == undisturbed.step.tolist()
    assert reports.metrics["val_loss"] == pytest.approx(undisturbed.metrics["val_loss"], rel=1e-6)


def test_a_trial_that_raised_goes_on_from_its_last_interval_and_its_time_goes_on_too(
    settings: Settings, work: Work, directory: SweepDirectory
) -> None:
    told = settings("walk_or_fail_late", resource_max=12, every=2)
    (failed,), before = trained(told, [work(stop=9, config={"fails": True})])
    assert (failed.status, failed.step) == (OutcomeStatus.FAILED, 3)
    (outcome,), after = trained(told, [work(stop=9, config={"fails": False}, attempt=1, reported=3)])
    assert before.step.tolist() + after.step.tolist() == list(range(1, 10))
    assert outcome.elapsed_s > before.elapsed_s[1]


def test_a_checkpoint_beyond_the_last_report_that_arrived_is_not_used(settings: Settings, work: Work) -> None:
    told = settings("walk", resource_max=12, every=2)
    _, whole = trained(told, [work(stop=9)])
    _, after = trained(told, [work(stop=9, attempt=1, reported=5)])
    assert after.step.tolist() == [6, 7, 8, 9]
    assert after.metrics["loss"].tolist() == whole.metrics["loss"].tolist()[5:]


def test_work_that_was_complete_when_the_driver_died_completes_with_the_value_that_it_had(
    settings: Settings, work: Work
) -> None:
    told = settings("walk", resource_max=12)
    (first,), before = trained(told, [work(stop=9)])
    (again,), reports = trained(told, [work(stop=9, reported=9)])
    assert (again.status, again.step, again.value) == (OutcomeStatus.COMPLETED, 9, first.value)
    assert again.elapsed_s >= before.elapsed_s[-1]
    assert len(reports) == 0


def fresh_state() -> SweepState:
    space = SearchSpace({"x": Uniform(0.0, 1.0)})
    return SweepState(
        make_controller(SearchConfig(space, Resource(LAST, LAST), Budget(trials=2), 0, "random")), "min", 0
    )


@settings(max_examples=30)
@given(
    every=st.sampled_from([1, 3, 5]),
    rows=st.integers(0, LAST),
    saved=st.integers(0, LAST),
    stale=st.sampled_from([None, 4]),
)
def test_whatever_reached_the_disk_when_the_driver_died_each_report_is_there_once_in_the_end(
    every: int, rows: int, saved: int, stale: int | None
) -> None:
    with TemporaryDirectory() as folder:
        directory = SweepDirectory(Path(folder) / "sweep")
        directory.create()
        told = TrainingSettings(load_trainer(f"{CODE}:walk"), "loss", LAST, directory.path, every=every)
        (work,) = fresh_state().decide(1)
        _, whole = trained(told, [work])
        checkpoints = checkpoints_of(directory)
        if stale is not None:  # of a trial whose decision was lost
            shutil.copytree(str(checkpoints.path(0, LAST)), str(checkpoints.path(1, stale)))
        _crash(directory, work, whole, rows, saved)

        state = fresh_state()
        state.decide(1)
        state.requeue()
        parts = find_parts(directory, {})
        recover_checkpoints(directory, parts, state)
        drop_uncovered(directory, parts, state.covered())
        (again,) = state.decide(1)
        usable = max(
            (step for step in range(every, min(rows, saved) + 1) if step % every == 0 or step == LAST), default=0
        )
        assert (again.start, again.reported) == (0, usable)
        assert checkpoints.steps(0) == [step for step in range(1, usable + 1) if step % every == 0 or step == LAST]
        assert checkpoints.steps(1) == []
        (outcome,), rest = trained(told, [again])
        writer = ReportWriter(directory, {"x": "float"}, "loss")
        writer.register(0, again.config)
        writer.append(rest)
        writer.flush()
        reports = pq.read_table(directory.results).sort_by("step")
        assert reports["step"].to_pylist() == list(range(1, LAST + 1))
        assert reports["loss"].to_pylist() == whole.metrics["loss"].tolist()
        assert (outcome.step, outcome.value) == (LAST, whole.metrics["loss"][-1])
        state.handle(outcome)
        assert state.spent == LAST


def _crash(directory: SweepDirectory, work: Assignment, whole: ReportBatch, rows: int, saved: int) -> None:
    """Leaves on the disk what was there when the driver died: some first reports and some first checkpoints."""
    writer = ReportWriter(directory, {"x": "float"}, "loss")
    writer.register(0, work.config)
    for part in (whole.step <= rows // 2, (whole.step > rows // 2) & (whole.step <= rows)):
        writer.append(whole.select(part))
        writer.flush()
    for step in checkpoints_of(directory).steps(0):
        if step > saved:
            checkpoints_of(directory).delete(0, step)
