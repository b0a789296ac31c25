"""Which trials are trained together: a function of their configurations, whoever is free."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caviar.scheduler.core.controllers.grouping import Grouping
from caviar.scheduler.core.controllers.registry import SearchConfig, bracket_schedule, make_controller
from caviar.scheduler.core.controllers.schedule import Budget, Resource
from caviar.scheduler.core.proposers.proposal import DesignProposer
from caviar.scheduler.core.state import SweepState
from caviar.scheduler.core.trials.assignment import Assignment, Outcome, OutcomeStatus, split_groups
from caviar.scheduler.core.trials.trial import TrialRow
from caviar.search_spaces import Choice, Integer, Log, SearchSpace

Drive = Callable[..., list[TrialRow]]
Work = Callable[[Assignment], Outcome]

SPACE = SearchSpace(
    {
        "optimizer": Choice(["sgd", "adam"]),
        "lr": Log(1e-4, 1.0),
        "momentum": Log(0.5, 0.99, when={"optimizer": ["sgd"]}),
        "width": Integer(8, 64),
    }
)
ALIKE = SearchSpace({"lr": Log(1e-4, 1.0)})
"""Its configurations can all be trained together."""
GROUPINGS = [Grouping(size, ("optimizer",), ("width",)) for size in (1, 3, 64)]
configs = st.lists(
    st.fixed_dictionaries(
        {"width": st.integers(8, 16), "lr": st.floats(0.1, 1.0)},
        optional={"layers": st.sampled_from([1, 2]), "kind": st.sampled_from(["a", ["a"], 1, True, None])},
    ),
    min_size=0,
    max_size=40,
)


def new_state(grouping: Grouping, space: SearchSpace = SPACE, trials: int = 30) -> SweepState:
    search = SearchConfig(space, Resource(1, 9, 3), Budget(trials=trials), 4, "hyperband", grouping=grouping)
    return SweepState(make_controller(search), "min", 4, max_failures=1)


def completed(work: Assignment, value: float) -> Outcome:
    return Outcome(work.trial, work.rung, work.attempt, OutcomeStatus.COMPLETED, work.stop, value)


def ended(work: Assignment, status: OutcomeStatus, step: int) -> Outcome:
    return Outcome(work.trial, work.rung, work.attempt, status, step, None, 0.0, "it raised")


def test_a_group_that_is_preempted_stays_a_group_and_one_that_fails_does_not() -> None:
    state = new_state(GROUPINGS[1], ALIKE)
    first, *others = split_groups(state.decide(2))
    for work in first:
        state.handle(ended(work, OutcomeStatus.PREEMPTED, 0))
    assert state.decide(1) == first
    for work in others[0]:
        state.handle(ended(work, OutcomeStatus.FAILED, 0))
    assert [work.group for work in state.decide(len(others[0]))] == [work.trial for work in others[0]]


@given(configs=configs, size=st.integers(1, 9), order=st.integers(0, 999))
def test_groups_are_a_partition_into_equals_of_at_most_the_size(
    configs: list[dict[str, Any]], size: int, order: int
) -> None:
    grouping, trials = Grouping(size, ("layers", "kind"), ("width",)), range(5, 5 + len(configs))
    of = dict(zip(trials, configs, strict=True))
    groups = grouping.groups(trials, configs)
    assert sorted(trial for group in groups for trial in group) == list(trials)
    assert [group[0] for group in groups] == sorted(min(group) for group in groups)
    keys = []
    for group in groups:
        assert list(group) == sorted(group)
        assert len(group) <= size
        alike = {
            (tuple(sorted(of[trial])), *(repr(of[trial].get(name)) for name in ("layers", "kind"))) for trial in group
        }
        assert len(alike) == 1, "a group differs in what is static or active"
        keys.append(alike.pop())
    for key in set(keys):
        lengths = [len(group) for group, other in zip(groups, keys, strict=True) if other == key]
        assert max(lengths) - min(lengths) <= 1
        assert len(lengths) == -(-sum(lengths) // size), "there are more groups than are needed"
    shuffled = Random(order).sample(list(trials), len(trials))
    assert grouping.groups(shuffled, [of[trial] for trial in shuffled]) == groups


def test_a_group_has_the_most_similar_widths() -> None:
    widths = [64, 8, 60, 10, 9, 62]
    groups = Grouping(3, (), ("width",)).groups(range(6), [{"width": width} for width in widths])
    assert groups == [(0, 2, 5), (1, 3, 4)]


def test_with_size_one_every_trial_is_alone() -> None:
    assert Grouping().groups([3, 1, 2], [{}, {}, {}]) == [(1,), (2,), (3,)]


@settings(max_examples=15)
@given(
    grouping=st.sampled_from(GROUPINGS),
    workers=st.sampled_from([1, 2, 16]),
    order=st.integers(0, 10**6),
    trouble=st.sampled_from([0.0, 0.1, 0.6]),
)
def test_the_table_and_the_groups_are_the_same_for_any_number_of_workers_and_the_table_for_any_size(
    drive: Drive,
    uneven_work: Callable[[float], Work],
    grouping: Grouping,
    workers: int,
    order: int,
    trouble: float,
) -> None:
    def groups_of(grouping: Grouping, **how: int) -> tuple[list[TrialRow], set[tuple[int, int, int, int]]]:
        seen, work = set[tuple[int, int, int, int]](), uneven_work(trouble)

        def watched(assignment: Assignment) -> Outcome:
            seen.add((assignment.trial, assignment.rung, assignment.attempt, assignment.group))
            return work(assignment)

        return drive(new_state(grouping), watched, **how), seen

    rows, seen = groups_of(grouping)
    assert groups_of(grouping, workers=workers, order=order) == (rows, seen)
    assert groups_of(Grouping())[0] == rows


def test_a_group_comes_out_whole_however_few_are_free() -> None:
    state = new_state(Grouping(4, ("optimizer",)), trials=9)
    seen = [split_groups(state.decide(1)) for _ in range(3)]
    assert [len(groups) for groups in seen] == [1, 1, 1]
    assert sorted(work.trial for groups in seen for work in groups[0]) == list(range(9))
    for groups in seen:
        assert len({work.config["optimizer"] for work in groups[0]}) == 1
    assert state.decide(5) == []


def test_survivors_wait_for_their_rung_and_are_grouped_anew() -> None:
    state = new_state(Grouping(2), ALIKE, trials=9)
    work = state.decide(9)
    for assignment in work[:-1]:
        state.handle(completed(assignment, float(assignment.trial)))
        assert state.decide(9) == []
    state.handle(completed(work[-1], -1.0))
    groups = split_groups(state.decide(9))
    assert [[work.trial for work in group] for group in groups] == [[0], [1, 8]]


def test_a_failed_trial_is_started_again_alone_and_the_interrupted_rest_stays_together() -> None:
    state = new_state(Grouping(9), ALIKE, trials=9)
    for work in state.decide(1):
        failed = work.trial % 4 == 0
        state.handle(ended(work, OutcomeStatus.FAILED if failed else OutcomeStatus.INTERRUPTED, 0))
    groups = split_groups(state.decide(9))
    assert [[work.trial for work in group] for group in groups] == [[0], [1, 2, 3, 5, 6, 7], [4], [8]]
    assert [{work.attempt for work in group} for group in groups] == [{1}, {0}, {1}, {1}]


def test_a_retry_that_is_interrupted_beside_its_old_group_stays_alone() -> None:
    state = new_state(Grouping(9), ALIKE, trials=9)
    first, *others = state.decide(1)
    state.handle(ended(first, OutcomeStatus.FAILED, 0))
    (again,) = state.decide(1)
    state.handle(ended(again, OutcomeStatus.INTERRUPTED, 0))
    for work in others:
        state.handle(ended(work, OutcomeStatus.INTERRUPTED, 0))
    groups = split_groups(state.decide(9))
    assert [[work.trial for work in group] for group in groups] == [[0], list(range(1, 9))]


@pytest.mark.parametrize("grouping", GROUPINGS, ids=lambda grouping: f"size {grouping.size}")
def test_requeued_groups_come_out_again_as_they_were(grouping: Grouping) -> None:
    state = new_state(grouping)
    before = state.decide(3)
    state.requeue()
    assert [*state.decide(1), *state.decide(2)] == before


@settings(max_examples=20)
@given(grouping=st.sampled_from(GROUPINGS), order=st.integers(0, 10**6), stops=st.integers(1, 3))
def test_interruptions_and_restarts_in_groups_change_nothing_in_the_table(
    drive: Drive, uneven_work: Callable[[float], Work], grouping: Grouping, order: int, stops: int
) -> None:
    work = uneven_work(0.2)
    expected = drive(new_state(Grouping()), work)
    state, random = new_state(grouping), Random(order)
    for _ in range(stops):
        running = split_groups(state.decide(random.randrange(1, 5)))
        for group in running:
            fate = random.random()
            for assignment in group:
                if fate < 0.5:
                    state.handle(work(assignment))
                elif fate < 0.8:
                    step = random.randrange(assignment.start, assignment.stop)
                    state.handle(ended(assignment, OutcomeStatus.INTERRUPTED, step))
        state.requeue()
    rows = drive(state, work, workers=3, order=order)
    assert [replace(row, elapsed_s=0.0) for row in rows] == [replace(row, elapsed_s=0.0) for row in expected]


def groups_by_level(state: SweepState) -> dict[int, list[set[int]]]:
    """Runs a sweep of trials that are all alike; the groups at each resource level."""
    found: dict[int, list[set[int]]] = {}
    while not state.finished:
        if state.wanted is not None:
            state.accept(DesignProposer().propose(state.request()))
        decided = state.decide(64)
        for group in split_groups(decided):
            found.setdefault(group[0].stop, []).append({work.trial for work in group})
        for work in decided:
            state.handle(completed(work, float(work.trial)))
    return found


def test_brackets_of_a_wave_are_grouped_together_at_each_level() -> None:
    search = SearchConfig(ALIKE, Resource(1, 9, 3), Budget(trials=40), 0, "hyperband", grouping=Grouping(8))
    plans = list(bracket_schedule(search))
    state = SweepState(make_controller(search), "min", 0)
    groups = groups_by_level(state)
    assert any(len({state.row(trial).bracket for trial in group}) > 1 for group in groups[9])
    for level in (1, 3, 9):
        reach = sum(size for plan in plans for one, size in zip(plan.levels, plan.sizes, strict=True) if one == level)
        entries = sum(plan.trials for plan in plans if plan.levels[0] == level)
        assert len(groups[level]) == -(-entries // 8) + -(-(reach - entries) // 8), "there are more groups than needed"


def test_a_wave_is_no_longer_than_the_pipeline_lets_brackets_ignore_each_other() -> None:
    search = SearchConfig(ALIKE, Resource(1, 9, 3), Budget(trials=90), 0, learns=True, grouping=Grouping(64))
    for pipeline, most in ((1, 1), (2, 1), (4, 3), (None, 2)):
        state = SweepState(make_controller(replace(search, pipeline=pipeline)), "min", 0)
        together = [{state.row(trial).bracket for trial in group} for group in groups_by_level(state)[9]]
        assert max(map(len, together)) == most, pipeline
