"""Successive halving in one bracket: as early as is certain, and the same in every order of completion."""

from itertools import product
from math import inf, isfinite
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from caviar.scheduler.core.controllers.bracket import Bracket
from caviar.scheduler.core.controllers.schedule import BracketPlan, Resource, bracket_plan

losses = st.sampled_from([0.1, 0.2, 0.2, 0.3, inf])
"""Few values, so that there are ties, and failures."""


def bracket_of(plan: BracketPlan, first_trial: int = 0) -> Bracket:
    return Bracket(0, plan, first_trial, np.zeros((plan.trials, 1)), [{}] * plan.trials)


def settled(plan: BracketPlan, loss: dict[tuple[int, int], float]) -> tuple[list[set[int]], set[int], set[int]]:
    """The model: sort each rung when all of its results are in."""
    entered, stopped, completed = [set(range(plan.trials))], set[int](), set[int]()
    for rung, slots in enumerate((*plan.sizes[1:], 0)):
        finite = sorted((loss[trial, rung], trial) for trial in entered[-1] if isfinite(loss[trial, rung]))
        if rung + 1 == len(plan.sizes):
            completed = {trial for _, trial in finite}
        else:
            stopped |= {trial for _, trial in finite[slots:]}
            entered.append({trial for _, trial in finite[:slots]})
    return entered[1:], stopped, completed


@given(
    kind=st.integers(0, 3),
    trials=st.integers(1, 30),
    failing=st.sampled_from([0.0, 0.3, 0.8]),
    order=st.integers(0, 999),
)
def test_every_order_of_completion_settles_what_sorting_the_full_rungs_would(
    kind: int, trials: int, failing: float, order: int
) -> None:
    plan, random = bracket_plan(Resource(1, 27, 3), (kind, trials)), Random(order)
    rungs = range(len(plan.sizes))
    loss = {
        key: inf if random.random() < failing else random.choice([0.1, 0.2, 0.3])
        for key in product(range(trials), rungs)
    }
    bracket = bracket_of(plan)
    running = [(trial, 0) for trial in range(trials)]
    promoted: list[set[int]] = [set() for _ in rungs[1:]]
    stopped, completed = set[int](), set[int]()
    while running:
        assert not bracket.finished
        trial, rung = running.pop(random.randrange(len(running)))
        decision = bracket.handle(trial, rung, loss[trial, rung])
        for up, upper in decision.promoted:
            assert up not in promoted[upper - 1], "promoted twice"
            promoted[upper - 1].add(up)
            running.append((up, upper))
        assert not (stopped | completed) & {*decision.stopped, *decision.completed}, "settled twice"
        stopped |= set(decision.stopped)
        completed |= set(decision.completed)
    assert bracket.finished
    assert (promoted, stopped, completed) == settled(plan, loss)


@given(data=st.data(), trials=st.integers(2, 5), eta=st.integers(2, 3))
def test_a_trial_is_settled_at_the_first_moment_when_no_missing_result_could_change_it(
    data: st.DataObject, trials: int, eta: int
) -> None:
    plan = bracket_plan(Resource(1, eta, eta), (1, max(trials, eta)))
    numbers = data.draw(st.permutations(range(plan.trials)))
    values = data.draw(st.lists(losses, min_size=plan.trials, max_size=plan.trials))
    bracket, known = bracket_of(plan), dict[int, float]()
    promoted, stopped = set[int](), set[int]()
    for trial in numbers:
        known[trial] = values[trial]
        decision = bracket.handle(trial, 0, values[trial])
        promoted |= {up for up, _ in decision.promoted}
        stopped |= set(decision.stopped)
        worlds = [settled(plan, world) for world in completions(known, plan.trials)]
        assert promoted == set.intersection(*(world[0][0] for world in worlds))
        assert stopped == set.intersection(*(world[1] for world in worlds))


def completions(known: dict[int, float], trials: int) -> list[dict[tuple[int, int], float]]:
    """Every way in which the results that are missing could come out: better than all, between, worse, failed."""
    missing = [trial for trial in range(trials) if trial not in known]
    worlds = [
        {**known, **dict(zip(missing, rest, strict=True))}
        for rest in product((0.0, 0.2, 1.0, inf), repeat=len(missing))
    ]
    return [{(trial, rung): loss for trial, loss in world.items() for rung in (0, 1)} for world in worlds]


def test_of_equal_losses_the_lower_trial_goes_on() -> None:
    bracket = bracket_of(BracketPlan(levels=(1, 3), sizes=(3, 1)), first_trial=7)
    decisions = [bracket.handle(trial, 0, 0.5) for trial in (9, 8, 7)]
    assert [decision.promoted for decision in decisions] == [[], [], [(7, 1)]]
    assert [decision.stopped for decision in decisions] == [[], [9], [8]]


def test_a_failed_trial_is_never_promoted_though_there_is_room() -> None:
    bracket = bracket_of(BracketPlan(levels=(1, 3, 9), sizes=(9, 3, 1)))
    promoted = [up for trial in range(9) for up in bracket.handle(trial, 0, 0.5 if trial == 4 else inf).promoted]
    assert promoted == [(4, 1)]


def test_a_rung_with_fewer_finite_results_than_slots_closes_and_the_rungs_above_expect_no_more() -> None:
    bracket = bracket_of(BracketPlan(levels=(1, 3, 9), sizes=(9, 3, 1)))
    for trial in range(9):
        bracket.handle(trial, 0, 0.1 * trial if trial < 2 else inf)
    assert bracket.handle(1, 1, 0.3).promoted == []
    assert bracket.handle(0, 1, 0.2).promoted == [(0, 2)]
    assert not bracket.finished
    assert bracket.handle(0, 2, 0.1).completed == [0]
    assert bracket.finished


def test_a_trial_that_has_completed_stays_so_when_the_last_of_a_rung_below_fails() -> None:
    bracket = bracket_of(BracketPlan(levels=(1, 3), sizes=(9, 3)))
    for trial in range(6):
        bracket.handle(trial, 0, inf)
    assert bracket.handle(6, 0, 0.5).promoted == [(6, 1)]
    assert bracket.handle(6, 1, 0.4).completed == [6]
    assert [bracket.handle(trial, 0, inf).stopped for trial in (7, 8)] == [[], []]
    assert bracket.finished


def test_a_bracket_in_which_everything_fails_is_finished_without_a_promotion() -> None:
    bracket = bracket_of(BracketPlan(levels=(1, 3, 9, 27), sizes=(27, 9, 3, 1)))
    decisions = [bracket.handle(trial, 0, inf) for trial in range(27)]
    assert not any(decision.promoted or decision.stopped or decision.completed for decision in decisions)
    assert bracket.finished


def test_the_results_of_a_rung_are_listed_by_trial_with_its_resource_and_its_point() -> None:
    bracket = bracket_of(BracketPlan(levels=(1, 3), sizes=(3, 1)))
    for trial, loss in ((2, 0.1), (0, 0.3), (1, inf)):
        assert not bracket.complete(0)
        bracket.handle(trial, 0, loss)
    assert bracket.complete(0)
    assert not bracket.complete(1)
    found = bracket.observations(0)
    assert found.loss.tolist() == [0.3, inf, 0.1]
    assert found.resource.tolist() == [1, 1, 1]
    assert found.points.tolist() == bracket.points.tolist()
