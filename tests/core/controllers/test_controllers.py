"""What every controller promises, whichever it is."""

from collections.abc import Callable
from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caviar.scheduler.core.controllers.controller import MOST_AHEAD
from caviar.scheduler.core.controllers.grouping import Grouping
from caviar.scheduler.core.controllers.registry import SearchConfig, bracket_schedule, make_controller
from caviar.scheduler.core.controllers.schedule import Budget, Resource
from caviar.scheduler.core.proposers.proposal import Proposal, Request
from caviar.scheduler.core.state import SweepState
from caviar.scheduler.core.trials.assignment import Assignment, Outcome, OutcomeStatus, split_groups
from caviar.scheduler.core.trials.trial import TrialRow, TrialState
from caviar.search_spaces import Choice, Integer, InverseLog, Log, SearchSpace, Uniform

SPACE = SearchSpace(
    {
        "optimizer": Choice(["sgd", "adam"]),
        "lr": Log(1e-4, 1.0),
        "momentum": InverseLog(0.9, 0.999, when={"optimizer": ["sgd"]}),
        "hidden": Integer(8, 64),
        "dropout": Uniform(0.0, 0.5),
    },
    ["lr * hidden <= 32"],
)
SEARCHES = {
    "coarse_to_fine": SearchConfig(SPACE, Resource(1, 27, 3), Budget(trials=90), 5, "coarse_to_fine", learns=True),
    "coarse_to_fine, as the design goes": SearchConfig(
        SPACE, Resource(1, 27, 3), Budget(trials=70), 5, "coarse_to_fine"
    ),
    "coarse_to_fine, a rung ahead": SearchConfig(
        SPACE, Resource(2, 9, 2), Budget(trials=40), 5, "coarse_to_fine", learns=True, pipeline=2
    ),
    "coarse_to_fine, two brackets ahead": SearchConfig(
        SPACE, Resource(1, 9, 3), Budget(trials=60), 5, "coarse_to_fine", learns=True, pipeline=5
    ),
    "hyperband that learns": SearchConfig(SPACE, Resource(1, 9, 3), Budget(resource=250), 5, "hyperband", learns=True),
    "hyperband": SearchConfig(SPACE, Resource(1, 9, 3), Budget(resource=250), 5, "hyperband"),
    "random": SearchConfig(SPACE, Resource(1, 5, 3), Budget(trials=70), 5, "random"),
    "grid": SearchConfig(SPACE, Resource(1, 4, 2), Budget(), 5, "grid", points=2),
    "in groups": SearchConfig(
        SPACE,
        Resource(1, 27, 3),
        Budget(trials=70),
        5,
        "coarse_to_fine",
        learns=True,
        grouping=Grouping(3, ("optimizer",), ("hidden",)),
    ),
    "in groups of whole rungs": SearchConfig(
        SPACE, Resource(1, 9, 3), Budget(resource=250), 5, "hyperband", grouping=Grouping(64, ("optimizer",))
    ),
    "grid, cut short": SearchConfig(SPACE, Resource(1, 4, 2), Budget(trials=7), 5, "grid", points=2),
}
ASHA = {
    "asha": SearchConfig(SPACE, Resource(1, 27, 3), Budget(trials=70), 5, "asha"),
    "asha that learns": SearchConfig(SPACE, Resource(1, 9, 3), Budget(resource=250), 5, "asha", learns=True),
    "asha with fewer trials than a rung of each": SearchConfig(SPACE, Resource(1, 27, 3), Budget(trials=7), 5, "asha"),
}
EVERY = SEARCHES | ASHA
every_controller = pytest.mark.parametrize("search", EVERY.values(), ids=EVERY.keys())
every_synchronous_controller = pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES.keys())


class MiddleProposer:
    """Proposes the middle of the space."""

    def propose(self, request: Request) -> Proposal:
        return Proposal(request.number, np.full((request.n, request.pending.shape[1]), 0.5))


def state_of(search: SearchConfig, mode: str = "min", max_failures: int = 1) -> SweepState:
    return SweepState(make_controller(search), mode, search.seed, max_failures)  # type: ignore[arg-type]


def timeless(rows: list[TrialRow]) -> list[TrialRow]:
    return [replace(row, elapsed_s=0.0) for row in rows]


@every_synchronous_controller
@settings(max_examples=15)
@given(
    workers=st.sampled_from([1, 3, 16, 64]),
    order=st.integers(0, 10**6),
    trouble=st.sampled_from([0.0, 0.1, 0.6]),
    mode=st.sampled_from(["min", "max"]),
)
def test_any_number_of_workers_in_any_order_gives_the_table_of_one(
    drive: Callable[..., list[TrialRow]],
    uneven_work: Callable[[float], Callable[..., object]],
    search: SearchConfig,
    workers: int,
    order: int,
    trouble: float,
    mode: str,
) -> None:
    work = uneven_work(trouble)
    alone = drive(state_of(search, mode), work, workers=1, mode=mode)
    together = drive(state_of(search, mode), work, workers=workers, order=order, mode=mode)
    assert timeless(together) == timeless(alone)


@every_controller
def test_the_trials_and_steps_are_those_of_the_plan_when_nothing_fails(
    drive: Callable[..., list[TrialRow]], uneven_work: Callable[[float], Callable[..., object]], search: SearchConfig
) -> None:
    plans = list(bracket_schedule(search))
    rows = drive(state_of(search), uneven_work(0.0), workers=4)
    assert len(rows) == sum(plan.trials for plan in plans)
    assert sum(row.step for row in rows) == sum(plan.cost for plan in plans)
    for number, plan in enumerate(plans):
        reached = [row.rung for row in rows if row.bracket == number]
        assert [sum(rung >= height for rung in reached) for height in range(len(plan.sizes))] == list(plan.sizes)


@every_controller
def test_no_budget_is_exceeded_when_trials_fail(
    drive: Callable[..., list[TrialRow]], uneven_work: Callable[[float], Callable[..., object]], search: SearchConfig
) -> None:
    rows = drive(state_of(search), uneven_work(0.5), workers=4)
    assert search.budget.trials is None or len(rows) <= search.budget.trials
    assert search.budget.resource is None or sum(row.step for row in rows) <= search.budget.resource


@every_controller
def test_every_configuration_is_one_of_the_space(
    drive: Callable[..., list[TrialRow]], uneven_work: Callable[[float], Callable[..., object]], search: SearchConfig
) -> None:
    rows = drive(state_of(search), uneven_work(0.0), workers=4)
    configs = [row.config for row in rows]
    units = SPACE.encode(configs)
    assert SPACE.feasible(units).all()
    for config in configs:
        assert ("momentum" in config) == (config["optimizer"] == "sgd")
        assert 1e-4 <= float(str(config["lr"])) <= 1.0


@every_controller
def test_another_seed_starts_other_trials_but_for_the_grid(
    drive: Callable[..., list[TrialRow]], uneven_work: Callable[[float], Callable[..., object]], search: SearchConfig
) -> None:
    first = [row.config for row in drive(state_of(search), uneven_work(0.0))]
    other = [row.config for row in drive(state_of(replace(search, seed=6)), uneven_work(0.0))]
    assert (first == other) == (search.controller == "grid")


@every_controller
def test_when_everything_fails_the_sweep_ends_all_the_same(
    drive: Callable[..., list[TrialRow]], search: SearchConfig
) -> None:
    control = make_controller(search)
    assert not control.finished
    while not control.finished:
        starts = control.decide(5)
        assert starts
        for start in starts:
            assert control.handle(start.trial, start.rung, inf).promoted == []
    assert control.decide(5) == []


@every_controller
def test_the_observations_are_every_result_at_its_point_and_its_resource(search: SearchConfig) -> None:
    control = make_controller(replace(search, learns=False))
    assert len(control.observations()) == 0
    given: list[tuple[str, int, float]] = []
    while not control.finished:
        for start in control.decide(5):
            loss = inf if start.trial % 7 == 3 else float(start.trial)
            control.handle(start.trial, start.rung, loss)
            given.append((str(dict(start.config)), start.level, loss))
    seen = control.observations()
    configs = [str(config) for config in SPACE.decode(seen.points)]
    assert sorted(zip(configs, seen.resource.tolist(), seen.loss.tolist(), strict=True)) == sorted(given)


def test_a_grid_holds_every_combination_once() -> None:
    control = make_controller(SEARCHES["grid"])
    configs = [start.config for start in control.decide(1_000)]
    assert len(configs) == len(
        {tuple(sorted((name, str(value)) for name, value in config.items())) for config in configs}
    )
    assert {config["optimizer"] for config in configs} == {"sgd", "adam"}


def test_full_resource_controllers_train_every_trial_to_the_end(
    drive: Callable[..., list[TrialRow]], uneven_work: Callable[[float], Callable[..., object]]
) -> None:
    for name in ("random", "grid"):
        rows = drive(state_of(SEARCHES[name]), uneven_work(0.0), workers=3)
        assert {row.state for row in rows} == {TrialState.COMPLETED}
        assert {row.step for row in rows} == {SEARCHES[name].resource.max}


@every_controller
def test_the_demand_covers_all_that_can_be_trained_at_the_same_time_and_shrinks_to_nothing(
    search: SearchConfig,
) -> None:
    state, total = state_of(search), sum(plan.trials for plan in bracket_schedule(search))
    proposer, running = MiddleProposer(), list[list[Assignment]]()
    while not state.finished:
        demand = state.demand()
        while groups := split_groups(state.decide(1)):
            running += groups
        if search.grouping.size == 1:
            assert len(running) <= demand
        assert len(running) <= state.demand() <= total
        if state.wanted is not None:
            state.accept(proposer.propose(state.request()))
        else:
            for work in running.pop(0):
                done = Outcome(
                    work.trial, work.rung, work.attempt, OutcomeStatus.COMPLETED, work.stop, float(work.trial)
                )
                state.handle(done)
    assert state.demand() == 0


def test_where_only_the_time_is_limited_the_demand_is_bounded_all_the_same() -> None:
    endless = replace(SEARCHES["hyperband"], budget=Budget())
    assert state_of(endless).demand() == MOST_AHEAD
    assert state_of(replace(ASHA["asha"], budget=Budget())).demand() == MOST_AHEAD
    assert 10 <= state_of(replace(SEARCHES["coarse_to_fine"], budget=Budget())).demand() < 100
