"""Brackets of successive halving, several in flight: the machine under every synchronous controller.

Brackets open in the order of their numbers, each as soon as workers are free and the bracket `pipeline` places before
it is finished. Promotions go first, then the trials of the oldest bracket. Trials are started in groups: those of a new
bracket, and those that a rung promotes, are partitioned once, when all of them are known.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from ...search_spaces import SearchSpace
from .bracket import Bracket, Verdict
from .controller import Start
from .grouping import ALONE, Group, Grouping
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
        grouping: Which trials are trained together. Groups never depend on who is free: where they hold more than one
            trial, a rung's promotions wait until all of its results are in.
    """

    def __init__(
        self,
        space: SearchSpace,
        brackets: Iterator[BracketPlan],
        proposer: Proposer,
        pipeline: int | None = None,
        grouping: Grouping = ALONE,
    ) -> None:
        self._space, self._proposer, self._pipeline, self._grouping = space, proposer, pipeline, grouping
        self._schedule, self._next_plan = brackets, next(brackets, None)
        self._brackets: list[Bracket] = []
        self._bracket_of: list[int] = []
        self._finished = 0
        self._promotions: list[tuple[int, Group]] = []
        self._unstarted: deque[Group] = deque()

    @property
    def brackets(self) -> Sequence[Bracket]:
        """The brackets that have been opened, in order."""
        return self._brackets

    @property
    def finished(self) -> bool:
        """Whether every bracket of the schedule has been opened and is finished."""
        return self._next_plan is None and self._finished == len(self._brackets)

    def decide(self, free: int) -> list[Start]:
        """At most `free` groups to train next: the furthest promotions first, then new trials."""
        starts: list[Start] = []
        while free > 0 and self._promotions:
            height, group = heappop(self._promotions)
            starts += self._starts(group, -height)
            free -= 1
        while free > 0 and (self._unstarted or self._open()):
            starts += self._starts(self._unstarted.popleft(), 0)
            free -= 1
        return starts

    def handle(self, trial: int, rung: int, loss: float) -> Verdict:
        """Takes one result and queues the promotions that it makes certain."""
        bracket = self._brackets[self._bracket_of[trial]]
        verdict = bracket.handle(trial, rung, loss)
        for upper, group in self._promoted(bracket, rung, verdict):
            heappush(self._promotions, (-upper, group))
        while self._finished < len(self._brackets) and self._brackets[self._finished].finished:
            self._finished += 1
        return verdict

    def _promoted(self, bracket: Bracket, rung: int, verdict: Verdict) -> list[tuple[int, Group]]:
        """The groups that can be started after a result, each with its next rung."""
        if self._grouping.size == 1:
            return [(upper, (trial,)) for trial, upper in verdict.promoted]
        survivors = bracket.survivors(rung) or ()
        return [(rung + 1, group) for group in self._groups(bracket, survivors)]

    def _groups(self, bracket: Bracket, trials: Sequence[int]) -> list[Group]:
        return self._grouping.groups(trials, [bracket.configs[trial - bracket.first_trial] for trial in trials])

    def _starts(self, group: Group, rung: int) -> Iterator[Start]:
        for trial in group:
            bracket = self._brackets[self._bracket_of[trial]]
            config = bracket.configs[trial - bracket.first_trial]
            yield Start(trial, bracket.number, rung, bracket.plan.levels[rung], config, group[0])

    def _open(self) -> bool:
        """Opens the next bracket if the schedule and the pipeline allow it."""
        number = len(self._brackets)
        seen = 0 if self._pipeline is None else max(0, number - self._pipeline + 1)
        if self._next_plan is None or self._finished < seen:
            return False
        plan, self._next_plan = self._next_plan, next(self._schedule, None)
        points = self._proposer.propose(plan.trials, self._brackets[:seen])
        first = len(self._bracket_of)
        bracket = Bracket(number, plan, first, points, self._space.decode(points))
        self._brackets.append(bracket)
        self._bracket_of += [number] * plan.trials
        self._unstarted.extend(self._groups(bracket, range(first, first + plan.trials)))
        return True
