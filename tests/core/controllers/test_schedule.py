"""Which brackets a sweep runs: arithmetic on the spec, the same before every run."""

from collections.abc import Callable, Iterator
from itertools import islice, pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from caviar.scheduler.core.controllers.schedule import (
    BracketPlan,
    Budget,
    Plan,
    Resource,
    Shape,
    bracket_plan,
    coarse_to_fine_shapes,
    full_resource_shapes,
    hyperband_shapes,
    schedule,
)

R81 = Resource(1, 81, 3)
R27 = Resource(1, 27, 3)

resources = st.builds(
    lambda low, factor, rest, eta: Resource(low, low * factor + rest, eta),
    st.integers(1, 4),
    st.integers(1, 100),
    st.integers(0, 3),
    st.integers(2, 5),
)
SHAPES: list[Callable[[Resource], Iterator[Shape]]] = [
    hyperband_shapes,
    coarse_to_fine_shapes,
    lambda resource: full_resource_shapes(7),
]


def brackets(resource: Resource, budget: Budget) -> list[BracketPlan]:
    return list(schedule(resource, hyperband_shapes(resource), budget))


def test_the_published_table_of_hyperband_for_r_81_and_eta_3() -> None:
    plans = list(islice(schedule(R81, hyperband_shapes(R81), Budget()), 5))
    # Li et al., JMLR 18 (2018), table 1: rows n_i, r_i for s = 4 to 0.
    assert [list(zip(plan.sizes, plan.levels, strict=True)) for plan in plans] == [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(34, 3), (11, 9), (3, 27), (1, 81)],
        [(15, 9), (5, 27), (1, 81)],
        [(8, 27), (2, 81)],
        [(5, 81)],
    ]


def test_promoted_trials_go_on_from_where_they_paused_so_a_bracket_costs_the_differences() -> None:
    assert bracket_plan(R27, (3, 27)).cost == 27 * 1 + 9 * 2 + 3 * 6 + 1 * 18


def test_coarse_to_fine_alternates_the_two_widest_kinds_and_begins_with_the_narrower() -> None:
    assert [kind for kind, _ in islice(coarse_to_fine_shapes(R81), 4)] == [3, 4, 3, 4]
    assert [kind for kind, _ in islice(coarse_to_fine_shapes(Resource(3, 27, 3)), 3)] == [1, 2, 1]


def test_coarse_to_fine_repeats_the_only_kind_that_halves() -> None:
    assert [kind for kind, _ in islice(coarse_to_fine_shapes(Resource(9, 27, 3)), 3)] == [1, 1, 1]


def test_coarse_to_fine_trains_in_full_where_nothing_can_be_halved() -> None:
    assert list(islice(coarse_to_fine_shapes(Resource(9, 9, 3)), 2)) == [(0, 1), (0, 1)]


@given(resource=resources, trials=st.integers(1, 300))
def test_a_budget_of_trials_is_used_up_exactly(resource: Resource, trials: int) -> None:
    assert sum(plan.trials for plan in brackets(resource, Budget(trials=trials))) == trials


@given(resource=resources, shapes_of=st.sampled_from(SHAPES), steps=st.integers(0, 2_000))
def test_a_budget_of_resource_is_never_exceeded_and_ends_when_no_trial_fits_any_more(
    resource: Resource, shapes_of: Callable[[Resource], Iterator[Shape]], steps: int
) -> None:
    plans = list(schedule(resource, shapes_of(resource), Budget(resource=steps)))
    left = steps - sum(plan.cost for plan in plans)
    assert 0 <= left < resource.max


@given(resource=resources, trials=st.integers(1, 100), steps=st.integers(0, 2_000))
def test_the_first_limit_that_is_met_ends_the_schedule(resource: Resource, trials: int, steps: int) -> None:
    plans = brackets(resource, Budget(trials, steps))
    spent, started = sum(plan.cost for plan in plans), sum(plan.trials for plan in plans)
    assert started <= trials
    assert spent <= steps
    assert started == trials or steps - spent < resource.max


@given(resource=resources, trials=st.integers(1, 500))
def test_only_the_last_bracket_is_cut_down(resource: Resource, trials: int) -> None:
    plans = brackets(resource, Budget(trials=trials))
    endless = schedule(resource, hyperband_shapes(resource), Budget())
    assert plans[:-1] == list(islice(endless, len(plans) - 1))


@given(resource=resources, kind=st.integers(0, 6), trials=st.integers(1, 500))
def test_rungs_are_whole_and_increase_from_min_to_max_and_each_takes_at_most_one_in_eta(
    resource: Resource, kind: int, trials: int
) -> None:
    assume(kind <= resource.widest_kind)
    plan = bracket_plan(resource, (kind, trials))
    assert plan.levels[0] >= resource.min
    assert plan.levels[-1] == resource.max
    assert list(plan.levels) == sorted(set(plan.levels))
    assert all(upper == lower // resource.eta or upper * resource.eta <= lower for lower, upper in pairwise(plan.sizes))
    assert plan.sizes[-1] >= 1


def test_a_bracket_with_too_few_trials_for_its_kind_gets_the_widest_kind_that_it_fills() -> None:
    assert bracket_plan(R27, (3, 10)) == BracketPlan(levels=(3, 9, 27), sizes=(10, 3, 1))
    assert bracket_plan(R27, (3, 2)) == BracketPlan(levels=(27,), sizes=(2,))


@pytest.mark.parametrize(("low", "high", "eta", "kind"), [(1, 81, 3, 4), (1, 80, 3, 3), (2, 81, 3, 3), (5, 5, 2, 0)])
def test_the_widest_kind_starts_no_lower_than_min(low: int, high: int, eta: int, kind: int) -> None:
    assert Resource(low, high, eta).widest_kind == kind


def test_a_plan_adds_up_its_brackets() -> None:
    plan = Plan(tuple(brackets(R27, Budget(trials=60))), R27)
    assert plan.trials == 60
    assert plan.cost == sum(bracket.cost for bracket in plan.brackets)
    assert plan.seconds is None
    assert plan.lasting(90.0).seconds == 90.0
