from itertools import cycle
from typing import Any

import pytest

from caviar.scheduler import RunSnapshot
from caviar.scheduler.analysis.progress import ProgressMeter
from caviar.scheduler.core.state import SweepState
from caviar.scheduler.core.trials.assignment import Outcome, OutcomeStatus
from caviar.scheduler.core.trials.trial import Parent, TrialRow, TrialState
from caviar.scheduler.lifecycle.recorded import new_state
from caviar.scheduler.spec.spec import SweepSpec


def make_spec(**fields: Any) -> SweepSpec:
    space = {"x": {"uniform": [0, 1]}}
    # The first bracket of Hyperband is the widest.
    common = {"name": "s", "trainer": None, "metric": "loss", "controller": "hyperband"}
    defaults = {**common, "space": space, "resource": {"max": 9}}
    return SweepSpec.parse({**defaults, "budget": {"trials": 9}, **fields})


def train(state: SweepState, free: int, status: OutcomeStatus = OutcomeStatus.COMPLETED) -> None:
    for work in state.decide(free):
        value = float(work.trial) if status is OutcomeStatus.COMPLETED else None
        state.handle(Outcome(work.trial, work.rung, work.attempt, status, work.stop, value))


def test_before_the_first_trial_the_plan_is_known() -> None:
    progress = ProgressMeter(make_spec()).measure((), 0)
    assert (progress.trials, progress.planned_trials, progress.planned_brackets) == (0, 9, 1)
    assert (progress.resource, progress.planned_resource) == (0, 9 * 1 + 3 * 2 + 1 * 6)


def test_a_rung_counts_the_trials_that_have_reached_it() -> None:
    spec = make_spec()
    state = new_state(spec)
    train(state, 9)
    (bracket,) = ProgressMeter(spec).measure(state.rows, state.spent).brackets
    assert [(rung.level, rung.results, rung.planned) for rung in bracket.rungs] == [(1, 9, 9), (3, 0, 3), (9, 0, 1)]
    assert not bracket.finished


def test_a_failed_trial_fills_its_place_at_the_rung() -> None:
    spec = make_spec(max_failures=0)
    state = new_state(spec)
    train(state, 9, OutcomeStatus.FAILED)
    progress = ProgressMeter(spec).measure(state.rows, state.spent)
    assert progress.brackets[0].rungs[0].results == 9
    assert progress.brackets[0].finished
    assert progress.states == {"failed": 9}


def test_a_finished_sweep_has_spent_what_was_planned() -> None:
    spec = make_spec()
    state = new_state(spec)
    while not state.finished:
        train(state, 2)
    progress = ProgressMeter(spec).measure(state.rows, state.spent)
    assert progress.resource == progress.planned_resource
    assert progress.brackets[0].finished


def test_a_trial_that_began_from_anothers_checkpoint_counts_from_the_rung_after_it() -> None:
    spec = make_spec()
    rows = [
        TrialRow(0, {}, 0, TrialState.PENDING, 0, rung=0, step=1),
        TrialRow(1, {}, 0, TrialState.RUNNING, 0, step=1, parent=Parent(0, 1)),
        TrialRow(2, {}, 0, TrialState.FAILED, 0, step=2, parent=Parent(0, 1)),
        TrialRow(3, {}, 0, TrialState.PAUSED, 0, rung=1, step=3, parent=Parent(0, 1)),
    ]
    (bracket,) = ProgressMeter(spec).measure(rows, 4).brackets
    assert [(rung.level, rung.results) for rung in bracket.rungs] == [(1, 1), (3, 2), (9, 0)]


def test_what_is_measured_again_and_again_is_what_is_measured_once() -> None:
    spec = make_spec(budget={"trials": 40}, max_failures=1)
    meter, state = ProgressMeter(spec), new_state(spec)
    statuses = cycle([OutcomeStatus.COMPLETED, OutcomeStatus.COMPLETED, OutcomeStatus.FAILED, OutcomeStatus.DIVERGED])
    while not state.finished:
        train(state, 3, next(statuses))
        state.decide(2)
        assert meter.measure(state.rows, state.spent) == ProgressMeter(spec).measure(state.rows, state.spent)
        state.requeue()
        assert meter.measure(state.rows, state.spent) == ProgressMeter(spec).measure(state.rows, state.spent)


def test_a_budget_of_hours_has_no_planned_numbers_but_a_time_left() -> None:
    spec = make_spec(budget={"hours": 2}, controller="hyperband")
    meter, state = ProgressMeter(spec, earlier_s=600), new_state(spec)
    train(state, 30)
    progress = meter.measure(state.rows, state.spent)
    assert progress.trials == 30
    assert (progress.planned_trials, progress.planned_resource, progress.planned_brackets) == (None, None, None)
    assert meter.seconds_left(RunSnapshot(state, 1, 1000.0, False), progress) == 7200 - 600 - 1000


def test_the_time_left_follows_the_pace_since_the_first_worker_was_ready() -> None:
    spec = make_spec()
    meter, state = ProgressMeter(spec), new_state(spec)
    assert meter.seconds_left(RunSnapshot(state, 0, 1.0, False), meter.measure(state.rows, state.spent)) is None
    assert meter.seconds_left(RunSnapshot(state, 2, 4.0, False), meter.measure(state.rows, state.spent)) is None
    train(state, 9)
    left = meter.seconds_left(RunSnapshot(state, 2, 13.0, False), meter.measure(state.rows, state.spent))
    assert left == pytest.approx((13.0 - 4.0) / 9 * 12)
