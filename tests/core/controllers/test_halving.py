"""Brackets in flight: which opens when, and what goes first."""

from collections.abc import Sequence
from itertools import islice

import numpy as np
import pytest

from caviar.scheduler.core.controllers.controller import Suggestion
from caviar.scheduler.core.controllers.halving import HalvingController
from caviar.scheduler.core.controllers.samplers import DesignSampler, ProposalSampler
from caviar.scheduler.core.controllers.schedule import BracketPlan
from caviar.scheduler.core.proposers.exploration import ExplorationPolicy
from caviar.scheduler.core.proposers.observations import Observations
from caviar.scheduler.core.proposers.proposal import Points, Proposal, Request
from caviar.search_spaces import SearchSpace, Uniform

SPACE = SearchSpace({"x": Uniform(0.0, 1.0)})
PLAN = BracketPlan(levels=(1, 3), sizes=(3, 1))


class Row:
    """A design that draws points in a row."""

    def draw(self, n: int) -> Points:
        return np.linspace(0.0, 1.0, n).reshape(n, 1)


def controller(brackets: int, pipeline: int | None) -> HalvingController:
    exploration = ExplorationPolicy(0.0, Observations.empty(1), enough=1)
    sampler = DesignSampler(Row()) if pipeline is None else ProposalSampler(SPACE, Row(), exploration, pipeline)
    return HalvingController(SPACE, iter([PLAN] * brackets), sampler)


def advise(control: HalvingController) -> Request | None:
    """Answers the request for a proposal, if there is one."""
    if control.wanted is None:
        return None
    request = control.request()
    control.accept(Proposal(request.number, np.full((request.n, 1), 0.5)))
    return request


def finish_rung(control: HalvingController, number: int, rung: int) -> None:
    """Brings the results of a bracket's rung, whose trials have started: the first is the best."""
    first = 3 * number
    for trial in range(first, first + PLAN.sizes[rung]):
        control.handle(trial, rung, float(trial))


def numbers(starts: Sequence[Suggestion]) -> list[int]:
    return [start.trial for start in starts]


def test_with_a_pipeline_of_one_a_bracket_sees_all_results_before_it() -> None:
    control = controller(3, 1)
    assert numbers(control.decide(100)) == [0, 1, 2]
    finish_rung(control, 0, 0)
    assert numbers(control.decide(100)) == [0]
    assert control.wanted is None
    finish_rung(control, 0, 1)
    assert control.decide(100) == []
    request = advise(control)
    assert request is not None
    assert request.observations.resource.tolist() == [1, 1, 1, 3]
    assert request.observations.loss.tolist() == [0.0, 1.0, 2.0, 0.0]
    assert numbers(control.decide(100)) == [3, 4, 5]


def test_with_a_pipeline_of_two_it_opens_while_the_one_before_it_is_on_its_last_rung() -> None:
    control = controller(3, 2)
    control.decide(100)
    finish_rung(control, 0, 0)
    request = advise(control)
    assert request is not None
    assert request.observations.resource.tolist() == [1, 1, 1]
    assert sorted(numbers(control.decide(100))) == [0, 3, 4, 5]
    finish_rung(control, 1, 0)
    assert advise(control) is None, "the last rung of bracket 0 is missing"
    finish_rung(control, 0, 1)
    request = advise(control)
    assert request is not None
    assert request.observations.resource.tolist() == [1, 1, 1, 3, 1, 1, 1]


def test_what_is_there_before_its_turn_is_not_seen_all_the_same() -> None:
    control = controller(3, 2)
    control.decide(100)
    finish_rung(control, 0, 0)
    control.decide(100)
    finish_rung(control, 0, 1)
    request = advise(control)
    assert request is not None
    assert request.observations.resource.tolist() == [1, 1, 1]


def test_with_a_longer_pipeline_points_without_any_result_are_said_to_be_pending() -> None:
    control = controller(4, 3)
    control.decide(100)
    finish_rung(control, 0, 0)
    control.decide(100)
    request = advise(control)
    assert request is not None
    assert request.number == 2
    assert request.observations.resource.tolist() == [1, 1, 1]
    assert len(request.pending) == 3


def test_another_proposal_than_the_one_that_is_wanted_is_never_asked_for_twice() -> None:
    control = controller(2, 1)
    control.decide(100)
    finish_rung(control, 0, 0)
    control.decide(100)
    finish_rung(control, 0, 1)
    assert control.wanted == 1
    advise(control)
    assert control.wanted is None


def test_a_proposal_of_too_few_points_is_filled_from_the_design() -> None:
    control = controller(2, 1)
    control.decide(100)
    finish_rung(control, 0, 0)
    control.decide(100)
    finish_rung(control, 0, 1)
    control.accept(Proposal(1, np.array([[0.25]])))
    assert [start.config["x"] for start in control.decide(100)] == [0.25, 0.0, 1.0]


def test_without_learning_brackets_open_while_workers_are_free() -> None:
    control = controller(5, None)
    assert numbers(control.decide(13)) == list(range(13))
    assert control.wanted is None


def test_an_endless_schedule_opens_no_more_than_is_asked_for() -> None:
    control = HalvingController(SPACE, islice(iter(lambda: PLAN, None), 10**9), DesignSampler(Row()))
    assert len(control.decide(4)) == 4
    assert len(control.brackets) == 2


@pytest.mark.parametrize("free", [0, 1, 2, 7])
def test_no_more_starts_than_free_workers(free: int) -> None:
    assert len(controller(4, None).decide(free)) == free


def test_promotions_go_before_new_trials_and_the_furthest_first() -> None:
    plan = BracketPlan(levels=(1, 3, 9), sizes=(9, 3, 1))
    control = HalvingController(SPACE, iter([plan] * 3), DesignSampler(Row()))
    control.decide(18)
    for trial in range(9):
        control.handle(trial, 0, float(trial))
    assert [(start.trial, start.rung) for start in control.decide(3)] == [(0, 1), (1, 1), (2, 1)]
    for trial in range(3):
        control.handle(trial, 1, float(trial))
    for trial in range(9, 18):
        control.handle(trial, 0, float(trial))
    order = [(start.trial, start.rung, start.level) for start in control.decide(5)]
    assert order == [(0, 2, 9), (9, 1, 3), (10, 1, 3), (11, 1, 3), (18, 0, 1)]


def test_it_is_finished_when_every_bracket_of_the_schedule_is() -> None:
    control = controller(2, 1)
    for number in range(2):
        for rung in range(2):
            assert not control.finished
            control.decide(100)
            finish_rung(control, number, rung)
        advise(control)
    assert control.finished
    assert control.decide(100) == []


def test_an_empty_schedule_is_finished_from_the_start() -> None:
    assert controller(0, 2).finished
    assert controller(0, 2).decide(5) == []
