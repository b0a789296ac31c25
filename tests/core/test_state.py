"""The sweep's state: retries, work that is done again, what is covered, and what is best."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caviar.scheduler.core.controllers.registry import SearchConfig, make_controller
from caviar.scheduler.core.controllers.schedule import Budget, Resource
from caviar.scheduler.core.state import SweepState
from caviar.scheduler.core.trials.assignment import Assignment, ErrorAction, Outcome, OutcomeStatus
from caviar.scheduler.core.trials.trial import TrialRow, TrialState
from caviar.search_spaces import SearchSpace, Uniform

SEARCH = SearchConfig(SearchSpace({"x": Uniform(0.0, 1.0)}), Resource(1, 9, 3), Budget(trials=9), 1, "hyperband")
"""One bracket: nine trials at step 1, three at step 3, one at step 9."""


def new_state(mode: str = "min", max_failures: int = 1, max_preemptions: int | None = None) -> SweepState:
    return SweepState(make_controller(SEARCH), mode, 1, max_failures, max_preemptions)  # type: ignore[arg-type]


def completed(work: Assignment, value: float, step: int | None = None) -> Outcome:
    step = work.stop if step is None else step
    return Outcome(work.trial, work.rung, work.attempt, OutcomeStatus.COMPLETED, step, value, elapsed_s=1.0)


def failed(work: Assignment, step: int) -> Outcome:
    return Outcome(work.trial, work.rung, work.attempt, OutcomeStatus.FAILED, step, None, 1.0, "Traceback: it raised")


def diverged(work: Assignment, step: int) -> Outcome:
    return Outcome(work.trial, work.rung, work.attempt, OutcomeStatus.DIVERGED, step, None, 1.0, "val_loss is nan")


def preempted(work: Assignment, step: int) -> Outcome:
    return Outcome(work.trial, work.rung, work.attempt, OutcomeStatus.PREEMPTED, step, None, 1.0, "its node died")


def interrupted(work: Assignment, step: int) -> Outcome:
    return Outcome(work.trial, work.rung, work.attempt, OutcomeStatus.INTERRUPTED, step, None, 1.0)


@pytest.fixture
def promoted(check_of: Callable[..., Callable[[], None]]) -> tuple[SweepState, Assignment, Callable[[], None]]:
    """A state in which trial 0 has just been started towards step 3."""
    state = new_state()
    check = check_of(state)
    for work in state.decide(9):
        state.handle(completed(work, float(work.trial)))
        check()
    assignment = state.decide(1)[0]
    check()
    return state, assignment, check


Work = Callable[[Assignment], Outcome]
Promoted = tuple[SweepState, Assignment, Callable[[], None]]


def test_an_assignment_tells_a_worker_everything_about_the_trial(promoted: Promoted) -> None:
    state, work, _ = promoted
    row = state.row(0)
    assert (work.trial, work.config, work.seed, work.bracket) == (0, row.config, row.seed, row.bracket)
    assert (work.rung, work.start, work.stop, work.attempt, work.reported) == (1, 1, 3, 0, 1)
    assert work.elapsed_s == 1.0


def test_a_failed_trial_is_started_again_from_where_its_assignment_began(promoted: Promoted) -> None:
    state, work, check = promoted
    state.handle(failed(work, step=2))
    check()
    assert (state.row(0).state, state.row(0).attempt, state.row(0).step) == (TrialState.PENDING, 1, 1)
    assert state.row(0).error == "Traceback: it raised"
    again = state.decide(1)[0]
    assert (again.trial, again.rung, again.start, again.attempt, again.reported) == (0, 1, 1, 1, 2)


def test_the_reports_of_a_failed_attempt_stay_covered_while_the_work_is_done_again(promoted: Promoted) -> None:
    state, work, check = promoted
    assert state.covered()[0] == 1
    state.handle(failed(work, step=3))
    assert state.covered()[0] == 3
    again = state.decide(1)[0]
    check()
    assert state.covered()[0] == 3
    state.handle(completed(again, 0.1, step=2))
    check()
    assert state.covered()[0] == 3, "the retry ended by itself before the step that the first attempt had reported"
    assert state.row(0).step == 2


@pytest.mark.parametrize("max_failures", [0, 1, 3])
def test_work_is_started_again_max_failures_times_and_then_the_trial_has_failed(max_failures: int) -> None:
    state = new_state(max_failures=max_failures)
    for attempt in range(max_failures + 1):
        work = state.decide(1)[0]
        assert (work.trial, work.attempt) == (0, attempt)
        state.handle(failed(work, step=0))
    assert state.row(0).state is TrialState.FAILED
    assert state.row(0).error == "Traceback: it raised"
    assert 0 not in [work.trial for work in state.decide(9)]


def test_a_failure_that_was_overcome_leaves_no_error(promoted: Promoted) -> None:
    state, work, check = promoted
    state.handle(failed(work, step=2))
    state.handle(completed(state.decide(1)[0], 0.5))
    check()
    assert (state.row(0).error, state.row(0).value, state.row(0).attempt) == (None, 0.5, 1)


def test_the_last_failure_counts_the_steps_that_were_reported(promoted: Promoted) -> None:
    state, work, check = promoted
    state.handle(failed(work, step=3))
    state.handle(failed(state.decide(1)[0], step=2))
    check()
    assert (state.row(0).state, state.row(0).step, state.covered()[0]) == (TrialState.FAILED, 3, 3)
    assert (state.row(0).best_value, state.row(0).value) == (0.0, None)


def test_preempted_work_starts_where_it_started_as_the_same_attempt_and_reports_nothing_twice(
    promoted: Promoted,
) -> None:
    state, work, check = promoted
    state.handle(preempted(work, step=2))
    check()
    assert (state.row(0).state, state.row(0).step, state.row(0).error) == (TrialState.PENDING, 1, None)
    again = state.decide(1)[0]
    assert again == replace(work, reported=2)


@pytest.mark.parametrize("max_preemptions", [0, 2])
def test_failures_and_preemptions_have_budgets_of_their_own(max_preemptions: int) -> None:
    state = new_state(max_failures=1, max_preemptions=max_preemptions)
    for _ in range(max_preemptions):
        state.handle(preempted(state.decide(1)[0], step=0))
    state.handle(failed(state.decide(1)[0], step=0))
    assert (state.row(0).state, state.row(0).attempt) == (TrialState.PENDING, 1)
    state.handle(preempted(state.decide(1)[0], step=0))
    assert (state.row(0).state, state.row(0).error) == (TrialState.FAILED, "its node died")


@given(loss=st.floats(0.0, 0.9), order=st.integers(0, 999))
def test_however_often_nodes_are_lost_the_table_is_the_same(
    drive: Callable[..., list[TrialRow]], uneven_work: Callable[[float], Work], loss: float, order: int
) -> None:
    draw, work = Random(order), uneven_work(0.3)

    def on_nodes_that_die(assignment: Assignment) -> Outcome:
        return preempted(assignment, assignment.start) if draw.random() < loss else work(assignment)

    assert drive(new_state(), on_nodes_that_die, workers=3, order=order) == drive(new_state(), work)


def test_a_failure_that_is_to_fail_at_once_is_not_started_again(promoted: Promoted) -> None:
    state, work, check = promoted
    state.handle(replace(failed(work, step=2), action=ErrorAction.FAIL))
    check()
    assert (state.row(0).state, state.row(0).attempt) == (TrialState.FAILED, 0)


def test_a_failure_that_stops_the_sweep_counts_for_nothing_and_shows_its_error(promoted: Promoted) -> None:
    state, work, check = promoted
    state.handle(replace(failed(work, step=2), action=ErrorAction.STOP))
    check()
    assert (state.row(0).state, state.row(0).error) == (TrialState.PENDING, "Traceback: it raised")
    assert state.decide(1)[0] == replace(work, reported=2)


def test_a_diverged_trial_is_not_started_again(promoted: Promoted) -> None:
    state, work, check = promoted
    state.handle(diverged(work, step=2))
    check()
    assert (state.row(0).state, state.row(0).step, state.row(0).attempt) == (TrialState.DIVERGED, 2, 0)


def test_an_outcome_of_a_superseded_attempt_is_ignored(promoted: Promoted) -> None:
    state, work, check = promoted
    state.handle(failed(work, step=2))
    again = state.decide(1)[0]
    before = state.rows
    state.handle(completed(work, 0.0))
    state.handle(failed(work, step=3))
    assert state.rows == before
    state.handle(completed(again, 0.5))
    check()
    assert state.row(0).value == 0.5


def test_an_outcome_of_a_trial_that_does_not_run_is_ignored(promoted: Promoted) -> None:
    state, work, _ = promoted
    state.handle(completed(work, 0.5))
    before = state.rows
    state.handle(completed(work, 0.1))
    assert state.rows == before


def test_interrupted_work_goes_on_after_the_step_it_reached_with_the_same_attempt(promoted: Promoted) -> None:
    state, work, check = promoted
    state.handle(interrupted(work, step=2))
    check()
    assert (state.row(0).state, state.row(0).step, state.covered()[0]) == (TrialState.PENDING, 2, 2)
    again = state.decide(1)[0]
    assert (again.start, again.stop, again.attempt, again.reported, again.elapsed_s) == (2, 3, 0, 2, 2.0)


def test_a_retry_that_is_interrupted_does_not_report_again_what_the_failed_attempt_reported(promoted: Promoted) -> None:
    state, work, check = promoted
    state.handle(failed(work, step=3))
    state.handle(interrupted(state.decide(1)[0], step=2))
    check()
    assert (state.row(0).step, state.covered()[0]) == (2, 3)
    again = state.decide(1)[0]
    assert (again.start, again.reported, again.attempt) == (2, 3, 1)


def test_requeued_work_goes_first_and_starts_where_it_started(check_of: Callable[..., Callable[[], None]]) -> None:
    state = new_state()
    check = check_of(state)
    before = state.decide(4)
    check()
    state.requeue()
    check()
    assert not state.outstanding
    assert {row.state for row in state.rows} == {TrialState.PENDING}
    assert state.covered() == {0: 0, 1: 0, 2: 0, 3: 0}
    assert state.decide(2) == before[:2]
    assert state.decide(9)[:2] == before[2:]
    check()


@pytest.mark.parametrize(("mode", "best"), [("min", 2), ("max", 1)])
def test_the_best_trial_has_the_best_value_and_of_equal_ones_the_lower_number(mode: str, best: int) -> None:
    state = new_state(mode)
    assert state.best is None
    values = [0.5, 0.9, 0.1, 0.9, 0.1, 0.5, 0.5, 0.5, 0.5]
    for work in reversed(state.decide(9)):
        state.handle(completed(work, values[work.trial]))
    assert state.best is not None
    assert state.best.trial == best


def test_the_best_value_is_kept_when_a_later_rung_is_worse(promoted: Promoted) -> None:
    state, work, check = promoted
    state.handle(completed(work, 5.0))
    check()
    row = state.row(0)
    assert (row.value, row.step, row.best_value, row.best_step) == (5.0, 3, 0.0, 1)


@pytest.mark.parametrize("sign", [1, -1])
def test_trials_are_compared_by_the_best_value_that_they_have_reported_also_between_rungs(sign: int) -> None:
    state = new_state("min" if sign == 1 else "max")
    for work in state.decide(9):
        state.handle(completed(work, sign * 1.0 * work.trial))
    for work in state.decide(3):
        value, best = {0: (0.5, 0.5), 1: (0.6, 0.6), 2: (0.9, 0.1)}[work.trial]
        lowest, highest = sorted([sign * best, sign * 0.9])
        state.handle(replace(completed(work, sign * value), lowest=lowest, highest=highest))
    assert [work.trial for work in state.decide(1)] == [2]
    assert state.observations().loss[-3:].tolist() == [0.5, 0.6, 0.1]
    row = state.row(2)
    assert (row.value, row.best_value) == (sign * 0.9, sign * 0.9), "a row has what it was at rungs, where it is saved"


def test_spent_counts_each_step_of_the_table_once() -> None:
    state = new_state()
    for work in state.decide(9):
        state.handle(failed(work, step=1) if work.trial == 0 else completed(work, 0.5))
    state.handle(completed(state.decide(1)[0], 0.1))
    assert state.spent == 9


def test_a_finished_sweep_has_settled_every_trial(drive: Callable[..., list[TrialRow]]) -> None:
    rows = drive(new_state(), lambda work: completed(work, float(work.trial)))
    assert [row.state for row in rows] == [TrialState.COMPLETED] + 8 * [TrialState.STOPPED]
    assert [row.step for row in rows] == [9, 3, 3] + 6 * [1]


@given(order=st.integers(0, 10**6), stops=st.integers(0, 3))
def test_interruptions_and_restarts_change_nothing_in_the_table(
    check_of: Callable[..., Callable[[], None]],
    drive: Callable[..., list[TrialRow]],
    uneven_work: Callable[[float], Callable[[Assignment], Outcome]],
    order: int,
    stops: int,
) -> None:
    work = uneven_work(0.2)
    expected = drive(new_state(), work)
    state, random, running = new_state(), Random(order), list[Assignment]()
    check = check_of(state)
    for _ in range(stops):
        for _ in range(random.randrange(8)):
            running += state.decide(3 - len(running))
            check()
            if running:
                state.handle(work(running.pop(random.randrange(len(running)))))
                check()
        for assignment in running:
            if random.random() < 0.5:
                state.handle(interrupted(assignment, random.randrange(assignment.start, assignment.stop)))
                check()
        running.clear()
        state.requeue()
        check()
    rows = drive(state, work, workers=3, order=order)
    assert [replace(row, elapsed_s=0.0) for row in rows] == [replace(row, elapsed_s=0.0) for row in expected]


def test_every_state_that_a_test_makes_is_looked_at_when_it_ends(states: list[SweepState]) -> None:
    assert states == []
    assert states == [new_state(), new_state(mode="max")]


@pytest.mark.parametrize("field", ["_spent", "_states", "_best"])
def test_a_state_that_contradicts_itself_does_not_pass(
    check_of: Callable[..., Callable[[], None]], monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    state = new_state()
    for work in state.decide(4):
        state.handle(completed(work, 1.0))
    check_of(state)()
    wrong = {"_spent": 3, "_states": dict.fromkeys(range(4), TrialState.RUNNING), "_best": (1.0, 3)}
    with monkeypatch.context() as patch:
        patch.setattr(state, field, wrong[field])
        with pytest.raises(AssertionError):
            check_of(state)()
