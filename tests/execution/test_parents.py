"""Trials that begin from another trial's checkpoint: in the journal, in simulations, in an engine, on real workers."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caviar.scheduler.core.placement.kinds import WorkerKind
from caviar.scheduler.core.state import SweepState
from caviar.scheduler.core.trials.assignment import Assignment, Outcome, OutcomeStatus
from caviar.scheduler.core.trials.reports import ReportBatch
from caviar.scheduler.core.trials.trial import Parent
from caviar.scheduler.errors import JournalError
from caviar.scheduler.execution.pool.executor import RayExecutor
from caviar.scheduler.execution.record import decided_event
from caviar.scheduler.execution.simulated import SimulatedExecutor
from caviar.scheduler.execution.worker.engine import Engine
from caviar.scheduler.execution.worker.ranks.process import RankTrials
from caviar.scheduler.execution.worker.report_queue import ReportQueue
from caviar.scheduler.execution.worker.settings import TrainingSettings
from caviar.scheduler.lifecycle.opening import recover_checkpoints
from caviar.scheduler.lifecycle.replay import replay
from caviar.scheduler.results import ReportWriter, find_parts
from caviar.scheduler.storage import Checkpoints, SweepDirectory, read_journal
from caviar.trainers import load_trainer, open_training

from ..exploiting import exploiting_state
from ..lifecycle.test_replay import cost, curve, reports_in, run, timeless

Settings = Callable[..., TrainingSettings]
Work = Callable[..., Assignment]
SIZE = 6


def population(group_size: int = 1) -> SweepState:
    """One in which trials of every fate are, and the child of a child."""
    return exploiting_state(SIZE, group_size=group_size, seed=9)


def trained(settings: TrainingSettings, *group: Assignment) -> tuple[list[Outcome], ReportBatch]:
    """The outcomes and reports of a group on a worker that has just been started."""
    reports = ReportQueue()
    engine = Engine(settings, reports)
    outcomes = engine.run(group)
    engine.close()
    return outcomes, reports.drain()


@pytest.fixture(scope="module")
def uncut(tmp_path_factory: pytest.TempPathFactory) -> tuple[SweepState, Path]:
    """A population that nobody kills, and its directory."""
    path, state = tmp_path_factory.mktemp("uncut"), population()
    run(path, state, workers=3, proposer=None)
    assert [row.parent for row in state.rows[SIZE:]] == [Parent(5, 1), Parent(6, 3)]
    assert {row.state.value for row in state.rows} == {"completed", "stopped", "failed", "diverged"}
    return state, path


@settings(max_examples=15)
@given(
    kills=st.lists(st.tuples(st.integers(1, 12), st.sampled_from([1, 2, 7])), min_size=1, max_size=3),
    group_size=st.sampled_from([1, 3]),
)
def test_a_population_that_is_killed_anywhere_ends_with_the_same_table(
    uncut: tuple[SweepState, Path], kills: list[tuple[int, int]], group_size: int
) -> None:
    with TemporaryDirectory() as folder:
        for commits, workers in kills:
            run(Path(folder), population(group_size), workers, commits, None)
        state = population(group_size)
        run(Path(folder), state, workers=2, proposer=None)
        assert timeless(state.rows) == timeless(uncut[0].rows)
        assert reports_in(Path(folder)).equals(reports_in(uncut[1]))


def test_a_journal_that_is_cut_after_any_event_leads_to_the_same_table(uncut: tuple[SweepState, Path]) -> None:
    events = list(read_journal(uncut[1] / "journal"))
    for length in range(len(events) + 1):
        state = population()
        replay(events[:length], state)
        executor = SimulatedExecutor(curve, "loss", 1, cost)
        while not state.finished:
            executor.start(state.decide(1))
            for outcome in executor.wait(1.0).outcomes:
                state.handle(outcome)
        assert timeless(state.rows) == timeless(uncut[0].rows)


def test_each_trial_reports_its_own_steps_alone(uncut: tuple[SweepState, Path]) -> None:
    steps: dict[int, list[int]] = {}
    for row in reports_in(uncut[1]).to_pylist():
        steps.setdefault(row["trial"], []).append(row["step"])
    assert {trial: steps.get(trial, []) for trial in range(SIZE + 2)} == {
        row.trial: list(range(row.begin + 1, row.step + 1)) for row in uncut[0].rows
    }


def test_a_decision_names_the_parents_of_new_trials_and_only_where_there_are_any(
    uncut: tuple[SweepState, Path], work: Work
) -> None:
    decided = [event for event in read_journal(uncut[1] / "journal") if event["type"] == "decided"]
    parents = [event["parents"] for event in decided if "parents" in event]
    assert parents == [{"6": [5, 1]}, {"7": [6, 3]}]
    old = {"type": "decided", "free": 1, "assignments": [[0, 0, 0]], "configs": {"0": {"x": 0.5}}}
    assert decided_event(1, [work(0)]) == old
    assert decided_event(1, [work(0, start=1, rung=1)])["configs"] == {}


@pytest.mark.parametrize("parents", [{}, {"6": [2, 1]}])
def test_another_parent_than_the_recorded_one_is_refused(
    uncut: tuple[SweepState, Path], parents: Mapping[str, Any]
) -> None:
    events: list[Any] = [
        {**event, "parents": parents} if "6" in event.get("parents", {}) else event
        for event in read_journal(uncut[1] / "journal")
    ]
    recorded = r"\[2, 1\]" if parents else "None"
    with pytest.raises(JournalError, match=rf"trial 6 begins from {recorded}, .* this spec begins it from \[5, 1\]"):
        replay(events, population())


def simulated(values: list[float], work: Assignment) -> tuple[Outcome, ReportBatch]:
    executor = SimulatedExecutor(lambda config, seed: values, "loss", 1)
    executor.start([work])
    arrived = executor.wait(1.0)
    return arrived.outcomes[0], arrived.reports


def test_a_simulated_child_has_its_own_curve_from_its_parents_step_on(work: Work) -> None:
    child = work(1, start=2, stop=4, reported=2, parent=Parent(0, 2))
    outcome, reports = simulated([float("nan"), 9.0, 3.0, 5.0, 1.0], child)
    assert (outcome.status, outcome.step, outcome.value) == (OutcomeStatus.COMPLETED, 4, 5.0)
    assert (outcome.lowest, outcome.highest, outcome.elapsed_s) == (3.0, 5.0, 2.0)
    assert (reports.step.tolist(), reports.metrics["loss"].tolist()) == ([3, 4], [3.0, 5.0])
    diverged, reports = simulated([1.0, 1.0, float("nan"), 1.0], child)
    assert (diverged.status, diverged.step, reports.step.tolist()) == (OutcomeStatus.DIVERGED, 3, [3])
    ended, reports = simulated([1.0, 0.5], child)
    assert (ended.status, ended.step, ended.value, len(reports)) == (OutcomeStatus.COMPLETED, 2, 0.5, 0)


@pytest.fixture
def climbing(settings: Settings, work: Work) -> tuple[TrainingSettings, Assignment]:
    """Training code whose trial 0 has a checkpoint at step 3, where its loss is 3, and a child that begins there."""
    told = settings("climbs", warm=0, every=2)
    trained(told, work(0, stop=3, config={"x": 1.0}))
    return told, work(1, start=3, stop=7, rung=1, reported=3, config={"x": -10.0}, parent=Parent(0, 3))


Climbing = tuple[TrainingSettings, Assignment]


def test_a_child_goes_on_from_its_parents_state_with_its_own_configuration_time_and_best_values(
    climbing: Climbing, directory: SweepDirectory
) -> None:
    told, child = climbing
    (outcome,), reports = trained(told, child)
    assert (reports.step.tolist(), reports.metrics["loss"].tolist()) == ([4, 5, 6, 7], [-7.0, -17.0, -27.0, -37.0])
    assert (outcome.status, outcome.step, outcome.value) == (OutcomeStatus.COMPLETED, 7, -37.0)
    assert (outcome.lowest, outcome.highest) == (-37.0, -7.0), "the parent's 1, 2 and 3 are no values of its own"
    checkpoints = Checkpoints.of(directory)
    assert checkpoints.steps(1) == [4, 6, 7]
    own, parents = checkpoints.verified(1, 4).meta["elapsed_s"], checkpoints.verified(0, 3).meta["elapsed_s"]
    assert 0 < own < outcome.elapsed_s < own + parents + outcome.elapsed_s


def test_its_random_numbers_are_those_of_its_own_seed(
    settings: Settings, work: Work, directory: SweepDirectory
) -> None:
    told = settings("walk")
    trained(told, work(0, stop=3))
    (outcome,), _ = trained(told, work(1, start=3, stop=4, reported=3, parent=Parent(0, 3)))
    found = Checkpoints.of(directory).verified(0, 3)
    alone = open_training(
        told.trainer, number=1, config={"x": 0.5}, seed=101, resource_max=9, directory=found.path, step=3
    )
    assert alone.step() == {"loss": outcome.value}


def test_a_checkpoint_of_its_own_goes_before_its_parents(climbing: Climbing, directory: SweepDirectory) -> None:
    told, child = climbing
    (whole,), _ = trained(told, child)
    for checkpoint in (directory.checkpoints / "0", directory.checkpoints / "1" / "7"):
        shutil.rmtree(str(checkpoint))
    (again,), reports = trained(told, replace(child, attempt=1, reported=6))
    assert reports.step.tolist() == [7]
    assert (again.value, again.lowest, again.highest) == (whole.value, whole.lowest, whole.highest)


def test_without_one_it_begins_again_from_its_parents_and_repeats_no_report(
    climbing: Climbing, directory: SweepDirectory
) -> None:
    told, child = climbing
    trained(told, child)
    shutil.rmtree(str(directory.checkpoints / "1"))
    (again,), reports = trained(told, replace(child, attempt=1, start=5, reported=6))
    assert (reports.step.tolist(), again.value) == ([7], -37.0)
    assert (again.lowest, again.highest) == (-37.0, -7.0)


@pytest.mark.parametrize("damage", ["lost", "changed"])
def test_a_parents_checkpoint_that_cannot_be_used_fails_the_child_with_one_sentence(
    climbing: Climbing, directory: SweepDirectory, damage: str
) -> None:
    told, child = climbing
    folder = Path(str(directory.checkpoints / "0" / "3"))
    reason = "No such file or directory" if damage == "lost" else "state.json was changed"
    if damage == "lost":
        shutil.rmtree(folder)
    else:
        (folder / "state.json").write_text("{}")
    (outcome,), reports = trained(told, child)
    assert (outcome.status, outcome.step, len(reports)) == (OutcomeStatus.FAILED, 3, 0)
    assert outcome.error == (
        f"trial 1 begins from the checkpoint of trial 0 at step 3, which cannot be used ({reason}); put it back from a"
        " copy"
    )


def test_a_child_of_a_parent_that_ended_ends_there_too_if_its_code_does(settings: Settings, work: Work) -> None:
    told = settings("ends_after_two", warm=0)
    trained(told, work(0, stop=3))
    child = work(1, start=2, stop=9, rung=1, reported=2, parent=Parent(0, 2))
    for start in (child, replace(child, rung=2)):
        (outcome,), reports = trained(told, start)
        assert (outcome.status, outcome.step, outcome.value, len(reports)) == (OutcomeStatus.COMPLETED, 2, 0.5, 0)
        assert (outcome.lowest, outcome.highest) == (0.5, 0.5)


def test_a_pause_before_its_first_step_changes_nothing(climbing: Climbing) -> None:
    told, child = climbing
    engine = Engine(told, ReportQueue())
    engine.pause()
    (outcome,) = engine.run([child])
    assert (outcome.status, outcome.step) == (OutcomeStatus.INTERRUPTED, 3)
    (outcome,), reports = trained(told, child)
    assert (reports.step.tolist(), outcome.highest) == ([4, 5, 6, 7], -7.0)


def test_every_process_of_a_worker_opens_the_same_checkpoint(climbing: Climbing) -> None:
    told, child = climbing
    peer = RankTrials(told, 1)
    assert peer.open(child, (0, 3)).error is None
    assert peer.step(1).error is None
    assert "of step 4, from which rank 0 goes on, cannot be read" in str(peer.open(child, (0, 4)).error)


@pytest.mark.slow
def test_lanes_that_begin_from_parents_are_fused_like_others(work: Work, directory: SweepDirectory) -> None:
    trainer = load_trainer("caviar.trainers.pytorch.digits:train")
    config = {"lr": 0.1, "momentum": 0.5, "hidden": 8, "layers": 1, "dropout": 0.1}
    told = TrainingSettings(trainer, "val_loss", 3, directory.path, warm=0, fuse=True)
    trained(told, *(work(trial, stop=1, config=config, group=0) for trial in range(2)))
    children = [
        work(trial, start=1, reported=1, config={**config, "lr": 0.1 / trial}, group=2, parent=Parent(trial - 2, 1))
        for trial in (2, 3)
    ]
    others = [work(trial, start=1, reported=1, config=config, group=2) for trial in range(2)]
    outcomes, together = trained(told, *others, *children)
    assert [outcome.status for outcome in outcomes] == [OutcomeStatus.COMPLETED] * 4
    shutil.rmtree(str(directory.checkpoints / "2"))
    shutil.rmtree(str(directory.checkpoints / "3"))
    for child in children:
        _, alone = trained(replace(told, fuse=False), child)
        losses = together.metrics["val_loss"][together.trial == child.trial]
        assert losses == pytest.approx(alone.metrics["val_loss"], rel=1e-4)
        assert alone.step.tolist() == [2, 3]


def test_after_a_crash_a_child_goes_on_from_its_own_checkpoint_or_else_from_its_parents(
    climbing: Climbing, directory: SweepDirectory
) -> None:
    for durable, start in ((3, 3), (5, 4)):
        state = exploiting_state(2, levels=(3, 7))
        for work in state.decide(2):
            state.handle(Outcome(work.trial, 0, 0, OutcomeStatus.COMPLETED, 3, float(work.trial)))
        child = state.decide(2)[-1]
        assert (child.trial, child.parent) == (2, Parent(0, 3))
        checkpoints = Checkpoints.of(directory)
        told = climbing[0]
        _, reports = trained(told, replace(child, config={"x": -10.0}))
        writer = ReportWriter(directory, {"x": "float"}, "loss")
        writer.register(2, child.config)
        writer.append(reports.select(reports.step <= durable))
        writer.flush()
        state.requeue()
        recover_checkpoints(directory, find_parts(directory, {}), state)
        assert checkpoints.steps(0) == [2, 3]
        assert checkpoints.steps(2) == [step for step in (4,) if step <= start]
        again = state.decide(2)[-1]
        assert (again.start, again.reported, state.covered()[2]) == (3, start, start)
        (outcome,), rest = trained(told, replace(again, config={"x": -10.0}))
        assert (rest.step.tolist(), outcome.value) == (list(range(start + 1, 8)), -37.0)
        directory.clear_results()
        shutil.rmtree(str(directory.checkpoints / "2"))


@pytest.mark.usefixtures("running_ray")
def test_a_worker_that_is_killed_before_its_childs_first_checkpoint_costs_an_attempt_and_nothing_else(
    climbing: Climbing, tmp_path: Path
) -> None:
    told, child = climbing
    child = replace(child, config={**child.config, "marker": str(tmp_path / "died")})
    executor = RayExecutor(told, [WorkerKind(count=1)])
    try:
        (died,), before = finished(executor, child)
        assert (died.status, died.step, len(before)) == (OutcomeStatus.FAILED, 3, 0)
        assert (tmp_path / "died").exists()
        (outcome,), after = finished(executor, replace(child, attempt=1))
    finally:
        executor.close()
    assert (outcome.status, outcome.value, outcome.highest) == (OutcomeStatus.COMPLETED, -37.0, -7.0)
    assert (after.step.tolist(), after.metrics["loss"].tolist()) == ([4, 5, 6, 7], [-7.0, -17.0, -27.0, -37.0])


def finished(executor: RayExecutor, work: Assignment) -> tuple[list[Outcome], ReportBatch]:
    """Has an assignment trained as soon as there is a worker."""
    while executor.capacity() == 0:
        executor.wait(1.0)
    executor.start([work])
    outcomes, batches = list[Outcome](), list[ReportBatch]()
    while not outcomes:
        arrived = executor.wait(1.0)
        outcomes += arrived.outcomes
        batches.append(arrived.reports)
    return outcomes, ReportBatch.concatenate([batch for batch in batches if len(batch)])
