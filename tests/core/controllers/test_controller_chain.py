"""Going on with another search: whatever changes, and whenever, the sweep ends well and always in the same way."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from caviar.scheduler.core.controllers.grouping import Grouping
from caviar.scheduler.core.controllers.registry import ControllerName, SearchConfig, bracket_schedule, make_controller
from caviar.scheduler.core.controllers.revision import RungValue, SearchChange, SpecRevision, results_of
from caviar.scheduler.core.controllers.schedule import Budget, Resource
from caviar.scheduler.core.proposers.proposal import Proposal
from caviar.scheduler.core.state import SweepState
from caviar.scheduler.core.trials.assignment import Assignment, Outcome, OutcomeStatus, split_groups
from caviar.scheduler.core.trials.trial import TrialRow, TrialState
from caviar.search_spaces import Choice, InvalidSpaceError, Log, SearchSpace, Uniform

Work = Callable[[Assignment], Outcome]
Drive = Callable[..., list[TrialRow]]

SPACE = SearchSpace({"lr": Log(1e-4, 1.0), "kind": Choice(["a", "b", "c"])})
RESOURCE = Resource(1, 9, 3)


def search_of(controller: ControllerName, trials: int = 24, **fields: object) -> SearchConfig:
    learns = controller in {"coarse_to_fine", "asha"}
    search = SearchConfig(SPACE, RESOURCE, Budget(trials=trials), 7, controller, learns=learns, points=4)
    return replace(search, **fields)  # type: ignore[arg-type]


BAD = {TrialState.FAILED, TrialState.DIVERGED}
BASE = search_of("coarse_to_fine")
CHANGES = {
    "fewer trials": replace(BASE, budget=Budget(trials=5)),
    "more trials": replace(BASE, budget=Budget(trials=40)),
    "less resource": replace(BASE, budget=Budget(resource=30)),
    "narrower": replace(BASE, space=SearchSpace({"lr": Log(1e-3, 1e-1), "kind": Choice(["a", "b"])})),
    "wider": replace(BASE, space=SearchSpace({"lr": Log(1e-5, 1.0), "kind": Choice(["a", "b", "c", "d"])})),
    "one more": replace(BASE, space=SearchSpace({**SPACE.domains, "dropout": Uniform(0.0, 0.5)})),
    "one less": replace(BASE, space=SearchSpace({"lr": Log(1e-4, 1.0)})),
    "constrained": replace(BASE, space=SearchSpace(SPACE.domains, ["lr <= 0.1"])),
    "longer": replace(BASE, resource=Resource(1, 27, 3), budget=Budget(trials=40)),
    "shorter": replace(BASE, resource=Resource(1, 3, 3), budget=Budget(trials=40)),
    "random": search_of("random", 40),
    "hyperband": search_of("hyperband", 40),
    "asha": search_of("asha", 40),
    "fused": replace(BASE, grouping=Grouping(4), budget=Budget(trials=40)),
}


def state_of(search: SearchConfig) -> SweepState:
    return SweepState(make_controller(search), "min", search.seed, max_failures=1)


def revised(state: SweepState, before: SearchConfig, after: SearchConfig, **assumed: object) -> SweepState:
    state.revise(SpecRevision(SearchChange(before, after, assumed), "min", 1))  # type: ignore[arg-type]
    return state


def propose(state: SweepState) -> None:
    """Points from a hash of what is seen, so that whoever sees other results proposes others."""
    if state.wanted is not None:
        request = state.request()
        seen = float(np.nansum(request.observations.points)) + float(request.observations.resource.sum())
        points = np.random.default_rng([request.number, int(seen * 1e6)]).random((request.n, request.pending.shape[1]))
        state.accept(Proposal(request.number, points))


def advance(state: SweepState, work: Work, outcomes: int, workers: int = 3) -> SweepState:
    """Some outcomes, after which all workers are stopped, some of them in the middle of their work."""
    running: list[list[Assignment]] = []
    random = Random(outcomes)
    while outcomes > 0 and not state.finished:
        propose(state)
        running += split_groups(state.decide(workers - len(running)))
        if not running:
            continue
        for assignment in running.pop(random.randrange(len(running))):
            state.handle(work(assignment))
            outcomes -= 1
    for assignment in [work for group in running for work in group if work.stop - work.start > 1]:
        stopped = Outcome(
            assignment.trial, assignment.rung, assignment.attempt, OutcomeStatus.INTERRUPTED, assignment.start + 1
        )
        state.handle(stopped)
    state.requeue()
    return state


@pytest.fixture(scope="module")
def work(uneven_work: Callable[[float], Work]) -> Work:
    return uneven_work(0.1)


@pytest.mark.parametrize("controller", ["coarse_to_fine", "hyperband", "random", "grid"])
@settings(max_examples=8)
@given(outcomes=st.integers(0, 60), workers=st.sampled_from([1, 4]))
def test_a_larger_budget_gives_the_table_of_a_sweep_that_had_it_from_the_start_where_the_brackets_are_the_same(
    drive: Drive, work: Work, controller: ControllerName, outcomes: int, workers: int
) -> None:
    large = search_of(controller, 12 if controller == "grid" else 100)
    plans = list(bracket_schedule(large))
    small = replace(large, budget=Budget(trials=sum(plan.trials for plan in plans[:2])))
    state = revised(advance(state_of(small), work, outcomes), small, large)
    assert bare(drive(state, work, workers)) == bare(whole(drive, work, large))


def test_a_budget_that_is_raised_twice_after_the_end_of_the_sweep_does_so_too(drive: Drive, work: Work) -> None:
    large = replace(BASE, budget=Budget(trials=90))
    plans = list(bracket_schedule(large))
    budgets = [Budget(trials=sum(plan.trials for plan in plans[:count])) for count in (1, 3)]
    searches = [*(replace(BASE, budget=budget) for budget in budgets), large]
    state = state_of(searches[0])
    drive(state, work, 2)
    for before, after in pairwise(searches):
        assert state.finished
        drive(revised(state, before, after), work, 3)
    assert bare(state.rows) == bare(whole(drive, work, large))


@pytest.mark.parametrize("change", CHANGES)
@settings(max_examples=10)
@given(outcomes=st.integers(0, 40), again=st.sampled_from(sorted(CHANGES)), later=st.integers(0, 20))
@example(outcomes=31, again="constrained", later=14)
def test_whatever_changes_and_whenever_and_twice_the_sweep_ends_and_its_table_does_not_depend_on_the_workers(
    drive: Drive, work: Work, change: str, outcomes: int, again: str, later: int
) -> None:
    def tables(workers: int, order: int) -> list[TrialRow]:
        state = revised(advance(state_of(BASE), work, outcomes), BASE, CHANGES[change])
        advance(state, work, later)
        revised(state, CHANGES[change], CHANGES[again])
        return drive(state, work, workers, order)

    rows = tables(1, 0)
    assert [row.trial for row in rows] == list(range(len(rows)))
    if "asha" not in {change, again}:
        assert tables(5, 1) == rows


@pytest.mark.parametrize("change", ["narrower", "one more", "one less", "random", "fused", "asha"])
def test_brackets_that_are_open_finish_as_they_would_have(drive: Drive, work: Work, change: str) -> None:
    state = advance(state_of(BASE), work, 14)
    opened = len(state.plans)
    rows = drive(revised(state, BASE, CHANGES[change]), work, 3)
    old = [row for row in rows if row.bracket < opened]
    assert bare(old) == bare(whole(drive, work, BASE)[: len(old)])
    assert len(rows) == CHANGES[change].budget.trials


@pytest.mark.parametrize("change", ["narrower", "wider", "constrained"])
def test_new_trials_are_of_the_new_space_and_the_model_has_learnt_from_what_fits_it(
    drive: Drive, work: Work, change: str
) -> None:
    state = advance(state_of(BASE), work, 20)
    after = replace(CHANGES[change], budget=Budget(trials=40))
    begun = len(state.rows)
    revised(state, BASE, after)
    fitting, opened = state.observations(), len(state.plans)
    ended = [(row, row.rung + 1 + (row.state in BAD)) for row in state.rows]
    assert len(fitting) == sum(results for row, results in ended if fits(after.space, row))
    assert after.space.feasible(fitting.points).all()
    new = [row for row in drive(state, work, 2) if row.bracket >= opened]
    assert 0 < len(new) <= 40 - begun
    assert all(fits(after.space, row) for row in new)


def fits(space: SearchSpace, row: TrialRow) -> bool:
    try:
        return bool(space.feasible(space.encode([row.config]))[0])
    except InvalidSpaceError:
        return False


def test_a_new_hyperparameter_has_its_assumed_value_in_the_trials_that_are_begun(drive: Drive, work: Work) -> None:
    state = advance(state_of(BASE), work, 14)
    opened = len(state.plans)
    rows = drive(revised(state, BASE, CHANGES["one more"], dropout=0.25), work, 2)
    assert {row.config["dropout"] for row in rows if row.bracket < opened} == {0.25}
    assert len({row.config["dropout"] for row in rows if row.bracket >= opened}) > 5


def test_a_value_is_assumed_for_no_trial_of_a_space_without_the_hyperparameter(drive: Drive, work: Work) -> None:
    state, more = advance(state_of(BASE), work, 14), CHANGES["one more"]
    revised(state, BASE, more, dropout=0.25)
    begun, without = len(state.plans), replace(BASE, budget=Budget(trials=40))
    rows = drive(revised(state, more, without, dropout=0.25), work, 2)
    assert {row.config.get("dropout") for row in rows if row.bracket >= begun} == {None}


def test_with_another_metric_open_brackets_end_and_rows_and_incumbent_are_told_in_it(drive: Drive, work: Work) -> None:
    state = advance(state_of(BASE), work, 20)
    values = {row.trial: [RungValue(row.rung, row.step, 100.0 + row.trial)] for row in state.rows if row.rung >= 0}
    more = replace(BASE, budget=Budget(trials=40))
    begun = len(state.rows)
    state.revise(SpecRevision(SearchChange(BASE, more, {}, results_of(values, "max")), "max", 1, values))
    assert state.best is not None
    assert state.best.best_value == 100 + max(values)
    assert not {TrialState.PENDING, TrialState.PAUSED} & {row.state for row in state.rows}
    assert set(-state.observations().loss[np.isfinite(state.observations().loss)]) <= {100.0 + n for n in values}
    rows = drive(state, work, 3, mode="max")
    assert len(rows) == 40
    assert rows[begun].bracket == max(row.bracket for row in rows[:begun]) + 1


def test_what_the_budget_is_not_enough_for_ends_at_once(drive: Drive, work: Work) -> None:
    state = advance(state_of(BASE), work, 14)
    spent, begun = state.spent, len(state.rows)
    drive(revised(state, BASE, replace(BASE, budget=Budget(resource=1))), work)
    assert (state.spent, len(state.rows)) == (spent, begun)


def test_a_larger_budget_of_asha_starts_more_trials_at_the_same_rungs(drive: Drive, work: Work) -> None:
    small, large = search_of("asha"), search_of("asha", 40)
    state = state_of(small)
    drive(state, work)
    rows = drive(revised(state, small, large), work)
    assert len(rows) == 40
    assert {row.bracket for row in rows} == {0}


def test_trials_that_wait_in_asha_are_stopped_once_nothing_of_it_follows(drive: Drive, work: Work) -> None:
    small = search_of("asha")
    rows = drive(revised(advance(state_of(small), work, 12, workers=1), small, search_of("random", 40)), work)
    assert len(rows) == 40


def bare(rows: Sequence[TrialRow]) -> list[TrialRow]:
    """Rows without what an interruption shows in."""
    return [replace(row, elapsed_s=0.0) for row in rows]


def whole(drive: Drive, work: Work, search: SearchConfig) -> list[TrialRow]:
    """The table of a sweep that nothing changes."""
    return drive(state_of(search), work, 2)
