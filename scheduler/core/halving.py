"""Brackets of successive halving, several in flight: the machine under every synchronous controller.

Brackets open in the order of their numbers, each as soon as workers are free and the bracket `pipeline` places before
it is finished. Promotions go first, then the trials of the oldest bracket.

Where trials are trained together, brackets open in waves. Those of a wave wait for each other at each resource level,
and the trials that they start or promote there are partitioned into groups once, when all of them are known: a bracket
alone has few trials at its higher rungs, and a group of few is no faster than its trials one by one.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from ...search_spaces import SearchSpace, Value
from .bracket import Bracket, Verdict
from .controller import Start
from .grouping import ALONE, Group, Grouping
from .proposer import Proposer
from .schedule import BracketPlan

_WAVE_GROUPS = 8
"""A wave starts this many full groups. With a reduction factor of 3 and four rungs, a third of a group reaches the
last."""


@dataclass(slots=True)
class _Wave:
    """Brackets whose trials are trained together.

    Attributes:
        feeders: At each resource level, the brackets that have yet to say whom they promote to it.
        survivors: At each resource level, the trials that were promoted to it so far.
    """

    feeders: Counter[int] = field(default_factory=Counter)
    survivors: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))


class HalvingController:
    """Runs a schedule of brackets over a proposer's points.

    Args:
        space: The search space.
        brackets: The schedule, from `schedule()`.
        proposer: Chooses each bracket's points.
        pipeline: A bracket opens when the one this many places before it is finished, and its proposer sees the
            brackets up to that one; at least 1. None opens brackets whenever workers are free.
        grouping: Which trials are trained together. Groups never depend on who is free: where they hold more than one
            trial, promotions wait until all results of the wave at that level are in.
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
        self._schedule = brackets
        self._brackets: list[Bracket] = []
        self._bracket_of: list[int] = []
        self._wave_of: list[_Wave] = []
        """The wave of each bracket."""
        self._finished = 0
        self._promotions: list[tuple[int, Group, int]] = []
        """A heap: the further a group gets, the earlier it goes; each with its level."""
        self._unstarted: deque[tuple[Group, int]] = deque()
        self._coming = self._plan_wave()

    @property
    def brackets(self) -> Sequence[Bracket]:
        """The brackets that have been opened, in order."""
        return self._brackets

    @property
    def finished(self) -> bool:
        """Whether every bracket of the schedule has been opened and is finished."""
        return not self._coming and self._finished == len(self._brackets)

    def decide(self, free: int) -> list[Start]:
        """At most `free` groups to train next: the furthest promotions first, then new trials."""
        starts: list[Start] = []
        while free > 0 and self._promotions:
            _, group, level = heappop(self._promotions)
            starts += self._starts(group, level)
            free -= 1
        while free > 0 and (self._unstarted or self._open()):
            starts += self._starts(*self._unstarted.popleft())
            free -= 1
        return starts

    def handle(self, trial: int, rung: int, loss: float) -> Verdict:
        """Takes one result and queues the promotions that it makes certain."""
        bracket = self._brackets[self._bracket_of[trial]]
        verdict = bracket.handle(trial, rung, loss)
        if self._grouping.size == 1:
            for promoted, upper in verdict.promoted:
                heappush(self._promotions, (-upper, (promoted,), bracket.plan.levels[upper]))
        else:
            self._feed(bracket, rung)
        while self._finished < len(self._brackets) and self._brackets[self._finished].finished:
            self._finished += 1
        return verdict

    def _feed(self, bracket: Bracket, rung: int) -> None:
        """Passes the survivors of a rung that is complete, and of those above that nobody reaches, on to the wave."""
        wave, levels = self._wave_of[bracket.number], bracket.plan.levels
        for upper in range(rung + 1, len(levels)):
            survivors = bracket.survivors(upper - 1)
            if survivors is None:
                return
            level = levels[upper]
            wave.survivors[level] += survivors
            wave.feeders[level] -= 1
            if wave.feeders[level] == 0:
                for group in self._groups(wave.survivors.pop(level)):
                    heappush(self._promotions, (-level, group, level))
            if survivors:
                return

    def _groups(self, trials: Sequence[int]) -> list[Group]:
        return self._grouping.groups(trials, [self._config(trial) for trial in trials])

    def _config(self, trial: int) -> Mapping[str, Value]:
        bracket = self._brackets[self._bracket_of[trial]]
        return bracket.configs[trial - bracket.first_trial]

    def _starts(self, group: Group, level: int) -> Iterator[Start]:
        for trial in group:
            bracket = self._brackets[self._bracket_of[trial]]
            rung = bracket.plan.levels.index(level)
            yield Start(trial, bracket.number, rung, level, self._config(trial), group[0])

    def _plan_wave(self) -> list[BracketPlan]:
        """The plans that open next, at once: one, or as many as fill groups and the pipeline lets see no result."""
        plans: list[BracketPlan] = []
        most = 1 if self._grouping.size == 1 else self._pipeline
        while (most is None or len(plans) < most) and (plan := next(self._schedule, None)) is not None:
            plans.append(plan)
            if sum(plan.trials for plan in plans) >= _WAVE_GROUPS * self._grouping.size:
                break
        return plans

    def _open(self) -> bool:
        """Opens the next wave if the schedule and the pipeline allow it."""
        first = len(self._brackets)
        if not self._coming or self._finished < self._seen(first + len(self._coming) - 1):
            return False
        wave, starting = _Wave(), defaultdict[int, list[int]](list)
        for plan in self._coming:
            bracket = self._open_bracket(plan, wave)
            starting[plan.levels[0]] += range(bracket.first_trial, bracket.first_trial + plan.trials)
            wave.feeders.update(plan.levels[1:])
        self._unstarted.extend((group, level) for level, trials in starting.items() for group in self._groups(trials))
        self._coming = self._plan_wave()
        return True

    def _open_bracket(self, plan: BracketPlan, wave: _Wave) -> Bracket:
        number, first = len(self._brackets), len(self._bracket_of)
        points = self._proposer.propose(plan.trials, self._brackets[: self._seen(number)])
        bracket = Bracket(number, plan, first, points, self._space.decode(points))
        self._brackets.append(bracket)
        self._bracket_of += [number] * plan.trials
        self._wave_of.append(wave)
        return bracket

    def _seen(self, number: int) -> int:
        """The finished brackets that a bracket's proposer sees, and waits for."""
        return 0 if self._pipeline is None else max(0, number - self._pipeline + 1)
