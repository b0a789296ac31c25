"""Brackets of successive halving, several in flight: the machine under every synchronous controller.

Brackets open in the order of their numbers, each as soon as workers are free and the bracket `pipeline` places before
it is finished. Promotions go first, then the trials of the oldest bracket.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from ...search_spaces import SearchSpace
from .bracket import Bracket, Verdict
from .controller import Start
from .proposer import Proposer
from .schedule import BracketPlan


class HalvingController:
    """Runs a schedule of brackets over a proposer's points.

    Args:
        space: The search space.
        brackets: The schedule, from `schedule()`.
        proposer: Chooses each bracket's points.
        pipeline: A bracket opens when the one this many places before it is finished, and its proposer sees the
            brackets up to that one; at least 1. None opens brackets whenever workers are free.
    """

    def __init__(
        self, space: SearchSpace, brackets: Iterator[BracketPlan], proposer: Proposer, pipeline: int | None = None
    ) -> None:
        self._space, self._proposer, self._pipeline = space, proposer, pipeline
        self._schedule, self._next_plan = brackets, next(brackets, None)
        self._brackets: list[Bracket] = []
        self._bracket_of: list[int] = []
        self._finished = 0
        self._promotions: list[tuple[int, int]] = []
        self._unstarted: deque[int] = deque()

    @property
    def brackets(self) -> Sequence[Bracket]:
        """The brackets that have been opened, in order."""
        return self._brackets

    @property
    def finished(self) -> bool:
        """Whether every bracket of the schedule has been opened and is finished."""
        return self._next_plan is None and self._finished == len(self._brackets)

    def decide(self, free: int) -> list[Start]:
        """At most `free` trials to train next: the furthest promotions first, then new trials."""
        starts: list[Start] = []
        while len(starts) < free and self._promotions:
            height, trial = heappop(self._promotions)
            starts.append(self._start(trial, -height))
        while len(starts) < free and (self._unstarted or self._open()):
            starts.append(self._start(self._unstarted.popleft(), 0))
        return starts

    def handle(self, trial: int, rung: int, loss: float) -> Verdict:
        """Takes one result and queues the promotions that it makes certain."""
        verdict = self._brackets[self._bracket_of[trial]].handle(trial, rung, loss)
        for promoted, upper in verdict.promoted:
            heappush(self._promotions, (-upper, promoted))
        while self._finished < len(self._brackets) and self._brackets[self._finished].finished:
            self._finished += 1
        return verdict

    def _start(self, trial: int, rung: int) -> Start:
        bracket = self._brackets[self._bracket_of[trial]]
        config = bracket.configs[trial - bracket.first_trial]
        return Start(trial, bracket.number, rung, bracket.plan.levels[rung], config)

    def _open(self) -> bool:
        """Opens the next bracket if the schedule and the pipeline allow it."""
        number = len(self._brackets)
        seen = 0 if self._pipeline is None else max(0, number - self._pipeline + 1)
        if self._next_plan is None or self._finished < seen:
            return False
        plan, self._next_plan = self._next_plan, next(self._schedule, None)
        points = self._proposer.propose(plan.trials, self._brackets[:seen])
        first = len(self._bracket_of)
        self._brackets.append(Bracket(number, plan, first, points, self._space.decode(points)))
        self._bracket_of += [number] * plan.trials
        self._unstarted.extend(range(first, first + plan.trials))
        return True
