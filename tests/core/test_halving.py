"""Brackets in flight: which opens when, and what goes first."""

from collections.abc import Sequence
from itertools import islice

import numpy as np
import pytest

from caviar.scheduler.core.bracket import Bracket
from caviar.scheduler.core.controller import Start
from caviar.scheduler.core.halving import HalvingController
from caviar.scheduler.core.proposer import Points
from caviar.scheduler.core.schedule import BracketPlan
from caviar.search_spaces import SearchSpace, Uniform

SPACE = SearchSpace({"x": Uniform(0.0, 1.0)})
PLAN = BracketPlan(levels=(1, 3), sizes=(3, 1))


class ListeningProposer:
    """Proposes points in a row, and keeps how many finished brackets it was shown each time."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def propose(self, n: int, earlier: Sequence[Bracket]) -> Points:
        assert all(bracket.finished for bracket in earlier)
        self.seen.append(len(earlier))
        return np.linspace(0.0, 1.0, n).reshape(n, 1)


def controller(brackets: int, pipeline: int | None, proposer: ListeningProposer | None = None) -> HalvingController:
    return HalvingController(SPACE, iter([PLAN] * brackets), proposer or ListeningProposer(), pipeline)


def finish_bracket(control: HalvingController, number: int) -> None:
    """Brings all results of a bracket whose trials have started: the first is the best."""
    first = 3 * number
    for trial in range(first, first + 3):
        control.handle(trial, 0, float(trial))
    promoted = next(start for start in control.decide(100) if start.rung == 1)
    control.handle(promoted.trial, 1, 0.0)


def numbers(starts: Sequence[Start]) -> list[int]:
    return [start.trial for start in starts]


@pytest.mark.parametrize("pipeline", [1, 2, 3])
def test_a_bracket_opens_only_when_the_one_pipeline_places_before_it_is_finished(pipeline: int) -> None:
    control = controller(5, pipeline)
    assert numbers(control.decide(100)) == list(range(3 * pipeline))
    for number in range(5 - pipeline):
        assert control.decide(100) == []
        finish_bracket(control, number)
        assert len(control.brackets) == number + pipeline or control.decide(100)
        control.decide(100)
        assert len(control.brackets) == number + pipeline + 1


def test_finishing_a_later_bracket_first_opens_nothing() -> None:
    control = controller(5, 2)
    control.decide(100)
    finish_bracket(control, 1)
    assert control.decide(100) == []
    finish_bracket(control, 0)
    control.decide(100)
    assert len(control.brackets) == 4


def test_a_proposer_sees_the_brackets_up_to_pipeline_places_back_however_many_are_finished() -> None:
    proposer = ListeningProposer()
    control = controller(5, 2, proposer)
    control.decide(100)
    finish_bracket(control, 1)
    finish_bracket(control, 0)
    control.decide(100)
    assert proposer.seen == [0, 0, 1, 2]


def test_without_a_pipeline_brackets_open_while_workers_are_free() -> None:
    proposer = ListeningProposer()
    control = controller(5, None, proposer)
    assert numbers(control.decide(13)) == list(range(13))
    assert proposer.seen == [0] * 5


def test_an_endless_schedule_opens_no_more_than_is_asked_for() -> None:
    control = HalvingController(SPACE, islice(iter(lambda: PLAN, None), 10**9), ListeningProposer())
    assert len(control.decide(4)) == 4
    assert len(control.brackets) == 2


@pytest.mark.parametrize("free", [0, 1, 2, 7])
def test_no_more_starts_than_free_workers(free: int) -> None:
    assert len(controller(4, None).decide(free)) == free


def test_promotions_go_before_new_trials_and_the_furthest_first() -> None:
    plan = BracketPlan(levels=(1, 3, 9), sizes=(9, 3, 1))
    control = HalvingController(SPACE, iter([plan] * 3), ListeningProposer())
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
    assert not control.finished
    control.decide(100)
    finish_bracket(control, 0)
    assert not control.finished
    control.decide(100)
    finish_bracket(control, 1)
    assert control.finished
    assert control.decide(100) == []


def test_an_empty_schedule_is_finished_from_the_start() -> None:
    assert controller(0, 2).finished
    assert controller(0, 2).decide(5) == []
