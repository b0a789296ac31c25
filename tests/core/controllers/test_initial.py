"""Configurations to begin with: whatever the controller, they are the first trials, with the values that were given."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caviar.scheduler.core.controllers.grouping import Grouping
from caviar.scheduler.core.controllers.initial import complete
from caviar.scheduler.core.controllers.registry import SearchConfig, bracket_schedule, make_controller
from caviar.scheduler.core.controllers.revision import SearchChange, SpecRevision
from caviar.scheduler.core.controllers.schedule import Budget, Resource
from caviar.scheduler.core.proposers.design import sobol_design
from caviar.scheduler.core.proposers.observations import Observations
from caviar.scheduler.core.state import SweepState
from caviar.scheduler.core.trials.assignment import Assignment, Outcome
from caviar.scheduler.core.trials.trial import TrialRow
from caviar.search_spaces import Choice, Constant, Integer, InvalidSpaceError, InverseLog, Log, SearchSpace, Uniform
from caviar.search_spaces.designs import grid

Work = Callable[[Assignment], Outcome]
Drive = Callable[..., list[TrialRow]]
Config = Mapping[str, Any]

SPACE = SearchSpace(
    {
        "optimizer": Choice(["sgd", "adam"]),
        "lr": Log(1e-4, 1.0),
        "momentum": InverseLog(0.9, 0.999, when={"optimizer": ["sgd"]}),
        "hidden": Integer(8, 64, log=True),
        "layers": Constant(2),
    },
    ["lr * hidden <= 32"],
)
FREE = SearchSpace(SPACE.domains)
EARLIER = Observations(sobol_design(SPACE, 1).draw(30), np.full(30, 9), np.arange(30.0))
SEARCHES = {
    "coarse_to_fine": SearchConfig(SPACE, Resource(1, 9, 3), Budget(), 5, "coarse_to_fine", learns=True),
    "coarse_to_fine after an earlier sweep": SearchConfig(
        SPACE, Resource(1, 9, 3), Budget(), 5, "coarse_to_fine", learns=True, prior=EARLIER
    ),
    "coarse_to_fine in groups": SearchConfig(
        SPACE,
        Resource(1, 9, 3),
        Budget(),
        5,
        "coarse_to_fine",
        learns=True,
        prior=EARLIER,
        grouping=Grouping(4, ("optimizer",), ("hidden",)),
    ),
    "hyperband": SearchConfig(SPACE, Resource(1, 9, 3), Budget(), 5, "hyperband"),
    "asha": SearchConfig(SPACE, Resource(1, 9, 3), Budget(), 5, "asha"),
    "asha after an earlier sweep": SearchConfig(
        SPACE, Resource(1, 9, 3), Budget(), 5, "asha", learns=True, prior=EARLIER
    ),
    "random": SearchConfig(SPACE, Resource(1, 5, 3), Budget(), 5, "random"),
    "grid": SearchConfig(SPACE, Resource(1, 4, 2), Budget(), 5, "grid", points=3),
}
every_controller = pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES.keys())


def some_configs(n: int, seed: int) -> list[Config]:
    """Configurations that fit the space, with round values as people write them, some of which are left out."""
    draw = np.random.default_rng(seed)
    return [
        {
            name: max(1e-4, float(f"{float(str(value)) * 0.99:.3g}")) if name == "lr" else value
            for name, value in config.items()
            if draw.random() < (0.7 if name != "optimizer" else 1.0)
        }
        for config in SPACE.decode(sobol_design(SPACE, seed).draw(n))
    ]


def state_of(search: SearchConfig) -> SweepState:
    return SweepState(make_controller(search), "min", search.seed, max_failures=1)


def has(row: TrialRow, config: Config) -> bool:
    """Whether a trial has exactly the values of a configuration."""
    return {name: row.config.get(name) for name in config} == config


def timeless(rows: list[TrialRow]) -> list[TrialRow]:
    return [replace(row, elapsed_s=0.0) for row in rows]


@pytest.fixture(scope="module")
def work(uneven_work: Callable[[float], Work]) -> Work:
    return uneven_work(0.1)


@every_controller
@settings(max_examples=5)
@given(
    count=st.integers(1, 50),
    trials=st.integers(1, 70),
    seed=st.integers(0, 99),
    workers=st.sampled_from([3, 16]),
    order=st.integers(0, 999),
)
def test_the_first_trials_are_the_initial_ones_for_any_number_of_them_any_budget_and_any_workers(
    drive: Drive, work: Work, search: SearchConfig, count: int, trials: int, seed: int, workers: int, order: int
) -> None:
    initial = some_configs(count, seed)
    search = replace(search, initial=initial, budget=Budget(trials=trials))
    rows = drive(state_of(search), work, workers, order)
    assert len(rows) == sum(plan.trials for plan in bracket_schedule(search)) <= trials
    assert all(has(row, config) for row, config in zip(rows, initial, strict=False))
    units = SPACE.encode([row.config for row in rows])
    assert SPACE.feasible(units).all()
    if search.controller != "asha":
        assert timeless(rows) == timeless(drive(state_of(search), work))


@pytest.mark.parametrize("name", ["hyperband", "random", "asha"])
def test_what_is_left_out_and_all_later_trials_are_those_of_the_sweep_without(
    drive: Drive, work: Work, name: str
) -> None:
    search = replace(SEARCHES[name], space=FREE, budget=Budget(trials=40))
    plain, begun = drive(state_of(search), work), [{"lr": 0.1}, {"hidden": 64, "lr": 0.03}]
    rows = drive(state_of(replace(search, initial=begun)), work)
    assert [row.config for row in rows[:2]] == [
        {**row.config, **config} for row, config in zip(plain, begun, strict=False)
    ]
    assert [row.config for row in rows[2:]] == [row.config for row in plain[2:]]


def test_the_model_proposes_the_other_trials_of_a_bracket_and_knows_of_the_initial_ones() -> None:
    search = replace(
        SEARCHES["coarse_to_fine after an earlier sweep"], initial=some_configs(4, 1), budget=Budget(trials=40)
    )
    state, bracket = state_of(search), next(bracket_schedule(search))
    first = complete(SPACE, search.initial, sobol_design(SPACE, 5)).points
    request = state.request()
    drawn = len(request.pending) - 4
    assert bracket.trials == 4 + request.n + drawn
    assert drawn <= 1
    assert np.array_equal(request.pending[:4], SPACE.snap(first), equal_nan=True)


def test_where_they_fill_brackets_the_model_is_not_asked_before_the_next() -> None:
    search = replace(SEARCHES["coarse_to_fine after an earlier sweep"], budget=Budget(trials=40))
    sizes = [plan.trials for plan in islice(bracket_schedule(search), 2)]
    state = state_of(replace(search, initial=some_configs(sum(sizes), 1)))
    starts = state.decide(sum(sizes))
    assert [start.trial for start in starts] == list(range(sum(sizes)))
    assert state.wanted is None or state.wanted == 2


def test_a_hyperparameter_that_is_left_out_is_drawn_again_until_the_constraints_hold() -> None:
    initial = complete(SPACE, [{"lr": 1.0}] * 8, sobol_design(SPACE, 0))
    assert [config["lr"] for config in initial.configs] == [1.0] * 8
    hidden = [int(str(config["hidden"])) for config in initial.configs]
    assert max(hidden) <= 32
    assert len(set(hidden)) > 4


def test_a_constraint_is_checked_with_the_values_that_were_given_and_not_with_their_roundings() -> None:
    values = {"a": 0.1, "b": 0.3}
    space = SearchSpace({"a": Log(1e-3, 1.0), "b": Log(1e-3, 1.0)}, ["a == 0.1", "b == 0.3"])
    assert space.decode(space.encode([values])) != [values]
    uniform = sobol_design(SearchSpace(space.domains), 0)
    assert complete(space, [values], uniform).configs == [values]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            {"lr": 1.0, "hidden": 33, "optimizer": "adam"},
            r"initial\[1\]: {.*} does not satisfy lr \* hidden <= 32; give",
        ),
        (
            {"lr": 1.0, "hidden": 33},
            r"initial\[1\]: none of 16,385 configurations with {.*} satisfies lr \* hidden <= 3",
        ),
    ],
)
def test_what_no_draw_completes_is_refused(config: Config, words: str) -> None:
    with pytest.raises(InvalidSpaceError, match=words):
        complete(SPACE, [{"lr": 0.1}, config], sobol_design(SPACE, 0))


def test_a_grid_has_none_of_them_again_and_all_others(drive: Drive, work: Work) -> None:
    space = SearchSpace({"lr": Log(1e-4, 1.0), "kind": Choice(["a", "b"]), "share": Uniform(0.0, 1.0)})
    search = SearchConfig(space, Resource(1, 4, 2), Budget(), 5, "grid", points=3)
    on_grid: Config = {"lr": 0.01, "kind": "b", "share": 0.5}
    off_grid: Config = {"lr": 0.03, "kind": "a", "share": 0.5}
    rows = drive(state_of(replace(search, initial=[on_grid, off_grid])), work, 2)
    assert [row.config for row in rows[:2]] == [on_grid, off_grid]
    points = space.encode([row.config for row in rows])
    both = np.concatenate([grid(space, 3), points[1:2]])
    assert sorted(points.round(9).tolist()) == sorted(both.round(9).tolist())


@pytest.mark.parametrize("name", ["coarse_to_fine", "hyperband", "random", "grid"])
@settings(max_examples=3)
@given(begun=st.integers(0, 30), workers=st.sampled_from([1, 4]))
def test_with_a_larger_budget_the_initial_ones_that_were_not_reached_follow(
    drive: Drive, work: Work, name: str, begun: int, workers: int
) -> None:
    large = replace(SEARCHES[name], initial=some_configs(30, 3), budget=Budget(trials=45))
    cut = 20 if name == "random" else sum(plan.trials for plan in islice(bracket_schedule(large), 2))
    small = replace(large, budget=Budget(trials=min(cut, 20)))
    state = advanced(state_of(small), work, begun)
    state.revise(SpecRevision(SearchChange(small, large), "min", 1))
    rows = drive(state, work, workers)
    assert len(rows) == sum(plan.trials for plan in state.plans) <= 45
    assert all(has(row, config) for row, config in zip(rows, large.initial, strict=False))


def test_after_an_edit_come_those_that_are_new_or_were_not_reached_and_no_other_again(drive: Drive, work: Work) -> None:
    before = replace(SEARCHES["coarse_to_fine"], initial=some_configs(30, 3), budget=Budget(trials=40))
    state = advanced(state_of(before), work, 6)
    opened = sum(plan.trials for plan in state.plans)
    added: Config = {"optimizer": "adam", "lr": 0.123}
    narrower = SearchSpace({**SPACE.domains, "hidden": Integer(8, 80, log=True)}, SPACE.constraints)
    after = replace(before, space=narrower, initial=[added, *before.initial])
    state.revise(SpecRevision(SearchChange(before, after), "min", 1))
    rows = drive(state, work, 3)
    expected = [*before.initial[:opened], added, *before.initial[opened:]]
    assert opened < 30
    assert all(has(row, config) for row, config in zip(rows, expected, strict=False))


def advanced(state: SweepState, work: Work, outcomes: int) -> SweepState:
    """A state after some outcomes, none of whose work is going on; no proposal is made."""
    for _ in range(outcomes):
        for assignment in state.decide(1):
            state.handle(work(assignment))
    return state
