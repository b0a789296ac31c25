"""Trials that begin from another trial's checkpoint: how they are numbered, counted, kept and edited."""

from collections.abc import Callable
from dataclasses import replace
from math import isfinite
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caviar.scheduler.core.controllers.handover import _come_of
from caviar.scheduler.core.controllers.registry import SearchConfig
from caviar.scheduler.core.controllers.revision import SearchChange, SpecRevision
from caviar.scheduler.core.controllers.schedule import BracketPlan, Budget, Resource
from caviar.scheduler.core.state import SweepState
from caviar.scheduler.core.trials.assignment import Assignment, Outcome, OutcomeStatus
from caviar.scheduler.core.trials.retention import Retention, Standing, Stored, expendable
from caviar.scheduler.core.trials.trial import Parent, TrialRow, TrialState
from caviar.search_spaces import SearchSpace, Uniform

from ..exploiting import exploiting_state

Work = Callable[[Assignment], Outcome]


def completed(work: Assignment, value: float | None = None, step: int | None = None) -> Outcome:
    value, step = float(work.trial) if value is None else value, step or work.stop
    return Outcome(work.trial, work.rung, work.attempt, OutcomeStatus.COMPLETED, step, value, elapsed_s=1.0)


def ended(work: Assignment, status: OutcomeStatus, step: int) -> Outcome:
    return Outcome(work.trial, work.rung, work.attempt, status, step, None, 1.0, "it raised")


def at_the_child(state: SweepState, check: Callable[[], None]) -> Assignment:
    """Trains the first rung, at which trial 3 is the worst and trial 0 the best; the child's first assignment."""
    for work in state.decide(4):
        state.handle(completed(work))
        check()
    assert state.parents == {Parent(0, 1)}
    *_, child = state.decide(4)
    check()
    assert state.parents == set()
    return child


@pytest.fixture
def begun(check_of: Callable[..., Callable[[], None]]) -> tuple[SweepState, Assignment, Callable[[], None]]:
    """A population of which the first child has just been given out."""
    state = exploiting_state()
    check = check_of(state)
    return state, at_the_child(state, check), check


Begun = tuple[SweepState, Assignment, Callable[[], None]]


def test_a_child_has_its_own_number_seed_and_configuration_and_goes_on_after_its_parents_step(begun: Begun) -> None:
    state, child, _ = begun
    row = state.row(4)
    assert (child.trial, child.parent, child.rung) == (4, Parent(0, 1), 1)
    assert (child.start, child.stop, child.reported, child.elapsed_s) == (1, 3, 1, 0.0)
    assert (child.seed, child.config) == (row.seed, {"x": 0.37})
    assert row.seed != state.row(0).seed
    assert (row.parent, row.step, row.trained, row.rung, row.best_value) == (Parent(0, 1), 1, 0, -1, None)
    assert state.row(3).state is TrialState.STOPPED
    assert state.covered()[4] == 1


def test_only_the_steps_that_it_was_trained_for_are_spent(begun: Begun) -> None:
    state, child, check = begun
    assert state.spent == 4
    state.handle(completed(child, -1.0))
    check()
    assert (state.spent, state.row(4).step, state.row(4).trained) == (6, 3, 2)
    assert (state.best, state.row(4).best_step, state.row(4).elapsed_s) == (state.row(4), 3, 1.0)


def test_a_child_that_fails_begins_again_from_its_parent_and_repeats_no_report(begun: Begun) -> None:
    state, child, check = begun
    state.handle(ended(child, OutcomeStatus.FAILED, 2))
    check()
    (again,) = state.decide(1)
    assert again == replace(child, attempt=1, reported=2)
    state.handle(ended(again, OutcomeStatus.FAILED, 1))
    check()
    assert (state.row(4).state, state.row(4).step, state.row(4).trained) == (TrialState.FAILED, 2, 1)
    assert state.spent == 5


def test_a_child_that_is_interrupted_goes_on_where_it_stands_and_keeps_its_parent(begun: Begun) -> None:
    state, child, check = begun
    state.handle(ended(child, OutcomeStatus.INTERRUPTED, 2))
    check()
    assert state.decide(1) == [replace(child, start=2, reported=2, elapsed_s=1.0)]


def test_a_parent_that_ended_by_itself_has_its_checkpoint_where_it_ended(
    check_of: Callable[..., Callable[[], None]],
) -> None:
    state = exploiting_state(levels=(5, 9))
    check = check_of(state)
    for work in state.decide(4):
        state.handle(completed(work, step=3 if work.trial == 0 else 5))
    child = state.decide(4)[-1]
    check()
    assert (child.parent, child.start, child.stop) == (Parent(0, 3), 3, 9)


@given(order=st.integers(0, 10**6), workers=st.sampled_from([1, 3, 16]), size=st.integers(1, 6))
def test_any_number_of_workers_that_finish_in_any_order_end_with_the_same_table(
    drive: Callable[..., list[TrialRow]], uneven_work: Callable[[float], Work], order: int, workers: int, size: int
) -> None:
    work = uneven_work(0.2)
    rows = drive(exploiting_state(size), work, workers=workers, order=order)
    assert rows == drive(exploiting_state(size), work)
    for row in rows:
        assert row.parent is None or isfinite(rows[row.parent.trial].best_value or 0.0)


@pytest.mark.parametrize("group_size", [1, 3])
@given(order=st.integers(0, 10**6), workers=st.sampled_from([1, 3, 16]))
def test_every_child_finds_its_parents_checkpoint_until_it_has_one_of_its_own(
    group_size: int, order: int, workers: int
) -> None:
    draw, state, stored = Random(order), exploiting_state(5, group_size=group_size), set[Stored]()
    running: list[Assignment] = []
    while not state.finished:
        running += state.decide(workers)
        work = running.pop(draw.randrange(len(running)))
        own = {one.step for one in stored if one.trial == work.trial}
        parent = None if work.parent is None else Stored(work.parent.trial, work.parent.step)
        assert work.start in own or not work.start or parent in stored
        status = draw.choice([OutcomeStatus.COMPLETED] * 3 + [OutcomeStatus.FAILED, OutcomeStatus.INTERRUPTED])
        step = work.stop if status is OutcomeStatus.COMPLETED else draw.randrange(work.start, work.stop)
        if status is not OutcomeStatus.FAILED and step:
            stored.add(Stored(work.trial, step))
        state.handle(completed(work, draw.random()) if step == work.stop else ended(work, status, step))
        standing = Standing(state.rows, "min", state.needed, parents=state.parents)
        stored.difference_update(expendable(Retention(keep=1, disk=1), sorted(stored), standing).checkpoints)
    assert len(stored) <= 1, "in the end only the best trial keeps its checkpoint"


def row(trial: int, parent: Parent | None, step: int, rung: int = -1) -> TrialRow:
    return TrialRow(trial, {}, 0, TrialState.PENDING, 0, rung, step, parent=parent)


def test_a_parents_checkpoint_goes_once_its_child_has_one_up_to_which_its_outcomes_reach() -> None:
    stored = [Stored(0, 3), Stored(0, 9), Stored(1, 5)]
    rows = [row(0, None, 9), row(1, Parent(0, 3), 3)]

    def gone(*rows: TrialRow, needed: set[int]) -> tuple[Stored, ...]:
        return expendable(Retention(), stored, Standing(rows, "min", needed)).checkpoints

    assert gone(*rows, needed={0, 1}) == (), "the checkpoint at step 5 may lead nowhere after a crash"
    assert gone(rows[0], replace(rows[1], step=5), needed={0, 1}) == (Stored(0, 3),)
    assert gone(*rows, needed={0}) == (Stored(0, 3), Stored(1, 5))


def test_an_edited_spec_keeps_the_parents_and_lets_their_children_go_on(
    check_of: Callable[..., Callable[[], None]],
) -> None:
    state = exploiting_state()
    check = check_of(state)
    child = at_the_child(state, check)
    state.requeue()
    space = SearchSpace({"x": Uniform(0.0, 1.0)})
    before = SearchConfig(space, Resource(1, 9, 3), Budget(trials=99), 3, "random")
    after = replace(before, space=SearchSpace({"x": Uniform(0.0, 0.5)}), budget=Budget(trials=9))
    state.revise(SpecRevision(SearchChange(before, after, {}), "min", 0))
    check()
    assert state.row(4).parent == Parent(0, 1)
    starts = {work.trial: work for work in state.decide(20)}
    assert starts[4] == child
    assert min(trial for trial in starts if trial > 4) == 6, "the first population may have one more child"
    for work in [starts[trial] for trial in (0, 1, 2, 4)]:
        state.handle(completed(work, float(work.trial)))
        check()
    *_, last = state.decide(20)
    assert (last.trial, last.parent) == (5, Parent(0, 3))


def test_a_bracket_that_ends_counts_a_child_from_the_rung_at_which_it_began() -> None:
    rows = [row(0, None, 3, rung=0), row(1, None, 1, rung=0), row(2, Parent(0, 1), 2)]
    assert _come_of(BracketPlan((1, 3, 9), (2, 2, 2)), rows) == BracketPlan((1, 3, 9), (2, 2, 0))
