"""Brackets of successive halving, several in flight: the machine under every synchronous controller.

Brackets open in the order of their numbers, each as soon as workers are free and the results that its points depend on
are in. Promotions go first, then the trials of the oldest bracket.

Where trials are trained together, brackets open in waves. Those of a wave wait for each other at each resource level,
and the trials that they start or promote there are partitioned into groups once, when all of them are known: a bracket
alone has few trials at its higher rungs, and a group of few is no faster than its trials one by one.
"""

from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import chain, tee
from math import ceil

from ....search_spaces import SearchSpace, Value
from ..proposers.observations import Observations
from ..proposers.proposal import Points, Proposal, Request
from ..trials.trial import Parent
from .bracket import Bracket, RungDecision
from .controller import MOST_AHEAD, Result, Suggestion
from .grouping import ALONE, Group, Grouping
from .initial import NO_INITIAL, Initial
from .samplers import BracketSampler, NextBracket
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

    feeders: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    survivors: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))


class HalvingController:
    """Runs a schedule of brackets over a sampler's points.

    Args:
        space: The search space.
        brackets: The schedule, from `schedule()`.
        sampler: Chooses each bracket's points, and says when they can be chosen.
        grouping: The rule by which trials are trained together. Groups never depend on who is free: where they hold
            more than one trial, promotions wait until all results of the wave at that level are in.
        initial: The configurations of the first trials, whose points the sampler has.
    """

    def __init__(
        self,
        space: SearchSpace,
        brackets: Iterator[BracketPlan],
        sampler: BracketSampler,
        grouping: Grouping = ALONE,
        initial: Initial = NO_INITIAL,
    ) -> None:
        self._space, self._sampler, self._grouping, self._initial = space, sampler, grouping, initial
        self._schedule, self._following = brackets, next(brackets, None)
        self._brackets: list[Bracket] = []
        self._bracket_of: list[int] = []
        self._wave_of: list[_Wave] = []
        """The wave of each bracket."""
        self._finished = 0
        self._promotions: list[tuple[int, Group, int]] = []
        """A heap: the further a group gets, the earlier it goes; each with its level."""
        self._unstarted: deque[tuple[Group, int]] = deque()
        self._coming = self._plan_wave()
        self._points: list[Points] = []
        """The points of the first of the coming brackets, as far as they are known."""

    @property
    def brackets(self) -> Sequence[Bracket]:
        """The brackets that have been opened, in order."""
        return self._brackets

    @property
    def plans(self) -> Sequence[BracketPlan]:
        """The plans of the brackets that have been opened, by number."""
        return [bracket.plan for bracket in self._brackets]

    @property
    def unfinished(self) -> Sequence[int]:
        """Numbers of the brackets that have been opened and are not finished."""
        return [bracket.number for bracket in self._brackets if not bracket.finished]

    @property
    def reserved(self) -> int:
        """The number after those of all trials of the brackets that are not finished, started or not."""
        ends = (bracket.first_trial + bracket.plan.trials for bracket in self._brackets if not bracket.finished)
        return max(ends, default=0)

    def coming(self) -> Iterator[BracketPlan]:
        """The brackets of the schedule that are still to be opened."""
        self._schedule, rest = tee(self._schedule)
        following = () if self._following is None else (self._following,)
        return chain(list(self._coming), following, rest)

    def schedule(self) -> Iterator[BracketPlan]:
        """The brackets that have been opened and those that are still to be."""
        return chain(self.plans, self.coming())

    @property
    def finished(self) -> bool:
        """True where every bracket of the schedule has been opened and is finished."""
        return not self._coming and self._finished == len(self._brackets)

    @property
    def wanted(self) -> int | None:
        """The number of the bracket for which a proposal is wanted; None while none is."""
        if len(self._points) == len(self._coming):
            return None
        upcoming = self._upcoming()
        return upcoming.number if self._sampler.wants(upcoming) else None

    def request(self) -> Request:
        """The inputs of the proposal that is wanted."""
        return self._sampler.request(self._upcoming())

    def accept(self, proposal: Proposal) -> None:
        """Takes the proposal that was wanted."""
        self._sampler.accept(proposal)
        self._draw_ahead()

    def decide(self, free: int) -> list[Suggestion]:
        """At most `free` groups to train next: the furthest promotions first, then new trials."""
        suggestions: list[Suggestion] = []
        while free > 0 and self._promotions:
            _, group, level = heappop(self._promotions)
            suggestions += self._suggestions(group, level)
            free -= 1
        while free > 0 and (self._unstarted or self._open()):
            suggestions += self._suggestions(*self._unstarted.popleft())
            free -= 1
        return suggestions

    def handle(self, trial: int, rung: int, loss: float) -> RungDecision:
        """Takes one result and queues the promotions that it makes certain."""
        bracket = self._brackets[self._bracket_of[trial]]
        decision = bracket.handle(trial, rung, loss)
        if self._grouping.size == 1:
            for promoted, upper in decision.promoted:
                heappush(self._promotions, (-upper, (promoted,), bracket.plan.levels[upper]))
        else:
            self._feed(bracket, rung)
        self._settle()
        self._draw_ahead()
        return decision

    def promotable(self) -> set[int]:
        """The trials of unfinished brackets that are promoted and on their way, or may yet be promoted."""
        return {trial for bracket in self._brackets[self._finished :] for trial in bracket.promotable()}

    def parents(self) -> set[Parent]:
        """None: every trial begins anew."""
        return set()

    def ahead(self, busy: Set[int]) -> int:
        """Groups that are promoted, may yet be, were not started, or open without waiting for each other."""
        size, queued = self._grouping.size, {trial for _, group, _ in self._promotions for trial in group}
        maybe, plans = len(self.promotable() - busy - queued), list[BracketPlan]()
        new = 0
        for plan in self.coming():
            plans.append(plan)
            if new >= MOST_AHEAD * size or (len(plans) > len(self._coming) and not self._sampler.together(plans)):
                break
            new += plan.trials
        groups = len(self._promotions) + len(self._unstarted) + ceil(maybe / size) + ceil(new / size)
        return min(MOST_AHEAD, groups)

    def observations(self) -> Observations:
        """All results so far, in the order of brackets, rungs and trials."""
        rungs = [(bracket, rung) for bracket in self._brackets for rung in range(len(bracket.plan.levels))]
        parts = [bracket.observations(rung) for bracket, rung in rungs]
        return Observations.concatenate([Observations.empty(self._space.dimensions), *parts])

    def results(self) -> list[Result]:
        """All results so far with the trials that have them."""
        return [result for bracket in self._brackets for result in bracket.results()]

    def reschedule(self, brackets: Iterator[BracketPlan]) -> None:
        """Opens other brackets after those that have been opened.

        Args:
            brackets: The rest of a schedule.
        """
        before = self._coming
        self._schedule, self._following = brackets, next(brackets, None)
        self._coming = self._plan_wave()
        if self._coming != before:
            self._points = []
            self._sampler.forget()

    def retire(self) -> None:
        """Opens no more brackets."""
        self.reschedule(iter(()))

    def end(self, ended: Mapping[int, BracketPlan]) -> None:
        """Ends brackets now; others that are trained together with them do not wait for them any more."""
        for number, plan in ended.items():
            self._brackets[number].close(plan)
        promotions, unstarted = self._promotions, self._unstarted
        self._promotions = [
            (order, left, level) for order, group, level in promotions if (left := self._without(group, ended))
        ]
        heapify(self._promotions)
        self._unstarted = deque((left, level) for group, level in unstarted if (left := self._without(group, ended)))
        never = {trial for group, _ in unstarted for trial in group if self._bracket_of[trial] in ended}
        while len(self._bracket_of) - 1 in never:
            self._bracket_of.pop()  # no number is left out where the last ones were not given to anybody
        if self._grouping.size > 1:
            for number in ended:
                self._leave(self._brackets[number], ended)
        self._settle()

    def _without(self, group: Group, ended: Collection[int]) -> Group:
        """The trials of a group that are of other brackets."""
        return tuple(trial for trial in group if self._bracket_of[trial] not in ended)

    def _leave(self, bracket: Bracket, ended: Collection[int]) -> None:
        """Takes a bracket that was closed out of its wave, in which others that were closed promote nobody either."""
        wave = self._wave_of[bracket.number]
        for level in bracket.plan.levels[1:]:
            kept = self._without(tuple(wave.survivors.get(level, ())), ended)
            if wave.survivors.get(level):
                wave.survivors[level] = list(kept)
            if bracket.number in wave.feeders[level]:
                wave.feeders[level].discard(bracket.number)
                self._promote(wave, level)

    def _settle(self) -> None:
        while self._finished < len(self._brackets) and self._brackets[self._finished].finished:
            self._finished += 1

    def _feed(self, bracket: Bracket, rung: int) -> None:
        """Passes the survivors of a rung that is complete, and of those above that nobody reaches, on to the wave."""
        wave, levels = self._wave_of[bracket.number], bracket.plan.levels
        for upper in range(rung + 1, len(levels)):
            survivors = bracket.survivors(upper - 1)
            if survivors is None:
                return
            level = levels[upper]
            wave.survivors[level] += survivors
            wave.feeders[level].discard(bracket.number)
            self._promote(wave, level)
            if survivors:
                return

    def _promote(self, wave: _Wave, level: int) -> None:
        """Forms the groups of a level once every bracket of the wave has said whom it promotes to it."""
        if not wave.feeders[level]:
            for group in self._groups(wave.survivors.pop(level, [])):
                heappush(self._promotions, (-level, group, level))

    def _groups(self, trials: Sequence[int]) -> list[Group]:
        return self._grouping.groups(trials, [self._config(trial) for trial in trials])

    def _config(self, trial: int) -> Mapping[str, Value]:
        bracket = self._brackets[self._bracket_of[trial]]
        return bracket.configs[trial - bracket.first_trial]

    def _suggestions(self, group: Group, level: int) -> Iterator[Suggestion]:
        for trial in group:
            bracket = self._brackets[self._bracket_of[trial]]
            rung = bracket.plan.levels.index(level)
            yield Suggestion(trial, bracket.number, rung, level, self._config(trial), group[0])

    def _plan_wave(self) -> list[BracketPlan]:
        """The plans that open next, at once: one, or as many as fill groups and see no result of each other."""
        plans: list[BracketPlan] = []
        while self._following is not None and (not plans or self._joins(plans, self._following)):
            plans.append(self._following)
            self._following = next(self._schedule, None)
        return plans

    def _joins(self, plans: Sequence[BracketPlan], plan: BracketPlan) -> bool:
        """True where a bracket opens in the wave of those before it."""
        size = self._grouping.size
        full = size == 1 or sum(plan.trials for plan in plans) >= _WAVE_GROUPS * size
        return not full and self._sampler.together([*plans, plan])

    def _upcoming(self) -> NextBracket:
        """The first coming bracket that has no points yet."""
        earlier = len(self._points)
        first_trial = len(self._bracket_of) + sum(plan.trials for plan in self._coming[:earlier])
        number, n = len(self._brackets) + earlier, self._coming[earlier].trials
        return NextBracket(number, n, first_trial, self._brackets, self._points)

    def _open(self) -> bool:
        """Opens the next wave if the schedule allows it and its points are known."""
        if not self._coming or not self._draw():
            return False
        wave, starting = _Wave(), defaultdict[int, list[int]](list)
        for plan, points in zip(self._coming, self._points, strict=True):
            bracket = self._open_bracket(plan, points, wave)
            starting[plan.levels[0]] += range(bracket.first_trial, bracket.first_trial + plan.trials)
            for level in plan.levels[1:]:
                wave.feeders[level].add(bracket.number)
        self._unstarted.extend((group, level) for level, trials in starting.items() for group in self._groups(trials))
        self._coming, self._points = self._plan_wave(), []
        self._draw_ahead()
        return True

    def _draw(self) -> bool:
        """Takes the points of the coming brackets as far as they are known, and says whether all are."""
        while len(self._points) < len(self._coming):
            points = self._sampler.points(self._upcoming())
            if points is None:
                return False
            self._points.append(points)
        return True

    def _draw_ahead(self) -> None:
        """Draws for a wave of several brackets as soon as it is possible.

        The next proposal is wanted when the points before it are taken. Were they taken by a decision that starts
        nothing, which no journal has, a replay would want it later.
        """
        if len(self._coming) > 1:
            self._draw()

    def _open_bracket(self, plan: BracketPlan, points: Points, wave: _Wave) -> Bracket:
        number, first = len(self._brackets), len(self._bracket_of)
        configs = self._initial.exact(first, self._space.decode(points))
        bracket = Bracket(number, plan, first, points, configs)
        self._brackets.append(bracket)
        self._bracket_of += [number] * plan.trials
        self._wave_of.append(wave)
        return bracket
