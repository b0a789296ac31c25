"""Which checkpoints may go: never one that a trial goes on from, never the best's, the others worst first."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caviar.scheduler.core.controllers.grouping import Grouping
from caviar.scheduler.core.controllers.registry import SearchConfig, make_controller
from caviar.scheduler.core.controllers.schedule import Budget, Resource
from caviar.scheduler.core.state import SweepState
from caviar.scheduler.core.trials.assignment import Assignment, Outcome, OutcomeStatus
from caviar.scheduler.core.trials.goal import Mode
from caviar.scheduler.core.trials.retention import Expendable, Retention, Standing, Stored, expendable
from caviar.scheduler.core.trials.trial import TrialRow, TrialState
from caviar.search_spaces import SearchSpace, Uniform

SPACE = SearchSpace({"x": Uniform(0.0, 1.0)})
SEARCHES = {
    "hyperband": SearchConfig(SPACE, Resource(1, 9, 3), Budget(trials=30), 5, "hyperband"),
    "in groups": SearchConfig(SPACE, Resource(1, 9, 3), Budget(trials=30), 5, "hyperband", grouping=Grouping(4)),
    "asha": SearchConfig(SPACE, Resource(1, 9, 3), Budget(trials=30), 5, "asha"),
    "random": SearchConfig(SPACE, Resource(1, 5, 3), Budget(trials=20), 5, "random"),
    "grid": SearchConfig(SPACE, Resource(1, 4, 2), Budget(), 5, "grid", points=9),
}


def row(trial: int, value: float | None, step: int = 9, best_step: int | None = None) -> TrialRow:
    best = None if value is None else step if best_step is None else best_step
    state = TrialState.FAILED if value is None else TrialState.STOPPED
    return TrialRow(trial, {}, trial, state, 0, 0, step, 0, value, value, best)


def gone(
    retention: Retention,
    rows: Sequence[TrialRow],
    stored: Sequence[Stored],
    needed: Sequence[int] = (),
    durable: Mapping[int, int] | None = None,
    mode: Mode = "min",
) -> Expendable:
    return expendable(retention, stored, Standing(rows, mode, set(needed), durable or {}))


ROWS = [row(0, 0.4), row(1, 0.1), row(2, None), row(3, 0.3), row(4, 0.1), row(5, 0.9)]
EACH = [Stored(trial, 9, 100) for trial in range(6)]


def trials(result: Expendable) -> list[int]:
    return [one.trial for one in result.checkpoints]


def test_all_but_the_best_go_the_worst_first_and_of_equals_the_higher_number() -> None:
    assert trials(gone(Retention(keep=1), ROWS, EACH)) == [2, 5, 0, 3, 4]
    assert trials(gone(Retention(keep=3), ROWS, EACH)) == [2, 5, 0]
    assert trials(gone(Retention(keep=2), ROWS, EACH, mode="max")) == [2, 4, 1, 3]
    assert gone(Retention(keep=None), ROWS, EACH) == Expendable()


def test_what_goes_on_stays_and_does_not_count_among_the_best() -> None:
    assert trials(gone(Retention(keep=1), ROWS, EACH, needed=[5, 2])) == [0, 3, 4]


def test_a_limit_in_bytes_goes_before_the_number_that_is_kept_but_spares_the_best() -> None:
    assert trials(gone(Retention(keep=None, disk=350), ROWS, EACH)) == [2, 5, 0]
    assert trials(gone(Retention(keep=4, disk=250), ROWS, EACH)) == [2, 5, 0, 3]
    assert gone(Retention(keep=4, disk=50), ROWS, EACH).excess == 50
    assert gone(Retention(keep=4, disk=250), ROWS, EACH).excess == 0


def test_what_goes_on_is_kept_beyond_the_limit_and_the_excess_is_told() -> None:
    result = gone(Retention(disk=150), ROWS, EACH, needed=[0, 5])
    assert trials(result) == [2, 3, 4]
    assert result.excess == 150


def test_of_a_trial_that_has_ended_the_step_of_its_best_value_stays() -> None:
    stored = [Stored(0, 1), Stored(0, 3), Stored(0, 9)]
    assert gone(Retention(), [row(0, 0.5, 9, best_step=3)], stored).checkpoints == (Stored(0, 1), Stored(0, 9))


def test_of_a_trial_that_goes_on_its_start_and_what_a_crash_may_leave_as_its_start_stay() -> None:
    stored = [Stored(0, step) for step in (1, 3, 5, 7, 8)]
    one = [row(0, None, 3)]
    assert gone(Retention(), one, stored, needed=[0]).checkpoints == (Stored(0, 1),)
    assert gone(Retention(), one, stored, needed=[0], durable={0: 7}).checkpoints == (Stored(0, 1), Stored(0, 5))
    assert gone(Retention(), one, stored[:1], needed=[0]).checkpoints == (), "at step 3 nothing was saved"


def test_checkpoints_of_trials_that_nobody_knows_are_left_alone() -> None:
    assert gone(Retention(keep=1, disk=1), ROWS, [Stored(77, 3, 10)]) == Expendable((), 9)


steps = st.integers(1, 12)
tables = st.lists(
    st.tuples(st.one_of(st.none(), st.sampled_from([0.1, 0.2, 0.3])), steps, steps, st.booleans(), steps), max_size=8
)


@given(
    table=tables,
    stored=st.sets(st.builds(Stored, st.integers(0, 9), steps, st.just(10)), max_size=30),
    keep=st.one_of(st.none(), st.integers(1, 4)),
    disk=st.one_of(st.none(), st.integers(1, 200)),
    mode=st.sampled_from(["min", "max"]),
)
def test_whatever_is_on_the_disk_what_is_needed_and_the_best_stay_and_the_limit_is_kept_where_it_can_be(
    table: Sequence[tuple[Any, ...]], stored: set[Stored], keep: int | None, disk: int | None, mode: Mode
) -> None:
    rows = [row(number, value, step, best_step) for number, (value, step, best_step, _, _) in enumerate(table)]
    needed = [number for number, facts in enumerate(table) if facts[3]]
    durable = {number: table[number][1] + table[number][4] - 1 for number in needed}
    result = gone(Retention(keep, disk), rows, sorted(stored), needed, durable, mode)
    left = stored - set(result.checkpoints)
    assert len(result.checkpoints) == len(set(result.checkpoints)) == len(stored) - len(left)

    def newest(of: set[Stored], trial: int, at_most: int) -> int:
        return max((one.step for one in of if one.trial == trial and one.step <= at_most), default=0)

    for trial in needed:
        # Wherever an attempt has to start, at its assignment's start or between two rungs, nothing newer is missing.
        for at_most in (rows[trial].step, *range(durable[trial], 25)):
            assert newest(left, trial, at_most) == newest(stored, trial, at_most)
    sign = 1 if mode == "min" else -1
    ranked = sorted((sign * one.best_value, one.trial) for one in rows if one.best_value is not None)
    places = {trial: place for place, (_, trial) in enumerate(ranked)}
    if ranked:
        best = rows[ranked[0][1]]
        assert {one for one in stored if (one.trial, one.step) == (best.trial, best.best_step)} <= left
    if disk is None:
        assert result.excess == 0
        kept = {one for one in stored if one.trial in places and one.step == rows[one.trial].best_step}
        assert {one for one in kept if keep is None or places[one.trial] < keep} <= left
    else:
        used = 10 * len(left)
        assert result.excess == max(0, used - disk)
    order = [places.get(one.trial, 99) for one in result.checkpoints if one.trial not in needed]
    if keep is None or disk is None:
        assert order == sorted(order, reverse=True)


class Disk:
    """The checkpoints of a sweep whose trials save at each rung and at each pause."""

    def __init__(self, state: SweepState, retention: Retention) -> None:
        self.state, self.retention, self.stored = state, retention, set[Stored]()

    def save(self, trial: int, step: int) -> None:
        self.stored.add(Stored(trial, step, 1))

    def tidy(self) -> Expendable:
        standing = Standing(self.state.rows, "min", self.state.needed)
        result = expendable(self.retention, sorted(self.stored), standing)
        self.stored.difference_update(result.checkpoints)
        return result


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES.keys())
@settings(max_examples=25)
@given(order=st.integers(0, 10**6), workers=st.sampled_from([1, 3, 16]), trouble=st.sampled_from([0.0, 0.3]))
def test_in_any_sweep_every_assignment_finds_the_checkpoint_that_it_starts_from(
    search: SearchConfig, order: int, workers: int, trouble: float
) -> None:
    draw, state = Random(order), SweepState(make_controller(search), "min", 0, max_failures=1)
    disk = Disk(state, Retention(keep=2, disk=1))
    running: list[Assignment] = []
    while not state.finished:
        started = state.decide(workers - len(running)) if len(running) < workers else []
        for work in started:
            assert not work.start or Stored(work.trial, work.start, 1) in disk.stored
        running += started
        work = running.pop(draw.randrange(len(running)))
        state.handle(_outcome(work, draw, trouble, disk))
        if draw.random() < 0.7:
            disk.tidy()
    assert state.needed == set()
    disk.tidy()
    assert [(one.trial, one.step) for one in disk.stored] == [
        (one.trial, one.best_step) for one in [state.best] if one is not None
    ]


def _outcome(work: Assignment, draw: Random, trouble: float, disk: Disk) -> Outcome:
    status, step = OutcomeStatus.COMPLETED, work.stop
    if draw.random() < trouble:
        status = draw.choice([OutcomeStatus.FAILED, OutcomeStatus.DIVERGED, OutcomeStatus.INTERRUPTED])
        step = draw.randint(max(1, work.start), work.stop)
    if status in {OutcomeStatus.COMPLETED, OutcomeStatus.INTERRUPTED}:
        disk.save(work.trial, step)
    value = draw.choice([0.1, 0.2, draw.random()]) if status is OutcomeStatus.COMPLETED else None
    wrong = status in {OutcomeStatus.FAILED, OutcomeStatus.DIVERGED}
    return Outcome(work.trial, work.rung, work.attempt, status, step, value, error="it went wrong" if wrong else None)


def test_in_an_endless_asha_every_trial_that_waits_may_be_promoted() -> None:
    state = SweepState(make_controller(SearchConfig(SPACE, Resource(1, 9, 3), Budget(), 5, "asha")), "min", 0)
    for work in state.decide(5):
        state.handle(Outcome(work.trial, 0, 0, OutcomeStatus.COMPLETED, 1, float(work.trial)))
    assert state.needed == {0, 1, 2, 3, 4}


def test_a_trial_of_random_search_is_needed_by_nobody_once_it_has_ended() -> None:
    state = SweepState(make_controller(SEARCHES["random"]), "min", 0)
    first, second = state.decide(2)
    state.handle(Outcome(first.trial, 0, 0, OutcomeStatus.COMPLETED, 5, 0.5))
    assert state.needed == {second.trial}
