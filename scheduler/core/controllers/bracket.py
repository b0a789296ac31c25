"""Successive halving inside one bracket (Jamieson and Talwalkar, AISTATS 2016), decided as early as is certain.

A rung promotes its best k of n results. That set depends on nothing but the n results: losses, with ties to the lower
trial number. A trial is promoted at the moment when no result that is still missing could displace it, and stopped
when k others are ahead of it, so workers need not wait for the rung's last trial and the table of trials comes out the
same in every order of completion.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from ....search_spaces import Value
from ..proposers.observations import Observations
from .schedule import BracketPlan

Ranked = tuple[float, int]
"""Loss and trial number: sorted, the best come first and ties go to the lower number."""


@dataclass(slots=True)
class RungDecision:
    """The decisions that a result settles.

    Attributes:
        promoted: Trials that go on, each with the index of its next rung.
        stopped: Trials that do not.
        completed: Trials that have reached the bracket's last rung.
    """

    promoted: list[tuple[int, int]] = field(default_factory=list)
    stopped: list[int] = field(default_factory=list)
    completed: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Rung:
    """Results at one resource level.

    Attributes:
        slots: Trials that the next rung takes.
        expected: Results that will arrive, or the most that may while a rung below is open.
        ranked: Results so far.
        finite: Number of the results that are finite; they are the first.
        promoted: Trials that are certain to go on: the first few of the ranked.
    """

    slots: int
    expected: int
    ranked: list[Ranked] = field(default_factory=list)
    finite: int = 0
    promoted: set[int] = field(default_factory=set)

    @property
    def missing(self) -> int:
        return self.expected - len(self.ranked)

    def add(self, result: Ranked) -> list[int]:
        """Takes a result, and returns the trial that it makes certain not to go on: itself or the one it pushes out."""
        place = bisect_left(self.ranked, result)
        self.ranked.insert(place, result)
        self.finite += isfinite(result[0])
        behind = max(place, self.slots)
        return [self.ranked[behind][1]] if behind < self.finite else []

    def settle(self) -> list[int]:
        """The trials that have just become certain to go on."""
        sure = min(self.slots - self.missing, self.finite)
        if sure <= len(self.promoted):
            return []
        up = [trial for _, trial in self.ranked[:sure] if trial not in self.promoted]
        self.promoted.update(up)
        return up


class Bracket:
    """One bracket in progress.

    Attributes:
        number: The bracket's number, from 0.
        plan: Its rungs.
        first_trial: Number of its first trial; the others follow.
        points: float64 [n, d], the trials in the unit cube.
        configs: The trials' configurations.
    """

    def __init__(
        self,
        number: int,
        plan: BracketPlan,
        first_trial: int,
        points: npt.NDArray[np.float64],
        configs: Sequence[Mapping[str, Value]],
    ) -> None:
        self.number, self.plan, self.first_trial = number, plan, first_trial
        self.points, self.configs = points, configs
        slots = (*plan.sizes[1:], 0)
        self._rungs = [_Rung(kept, size) for kept, size in zip(slots, plan.sizes, strict=True)]
        self._missing = sum(plan.sizes)

    @property
    def finished(self) -> bool:
        """True where every result that can arrive has arrived."""
        return self._missing == 0

    def close(self, plan: BracketPlan) -> None:
        """Ends the bracket with the results that it has.

        Args:
            plan: The outcome of its plan.
        """
        self.plan, self._missing = plan, 0
        for rung in self._rungs:
            rung.expected = len(rung.ranked)

    def results(self) -> list[tuple[int, int, float]]:
        """All results so far: trial, resource and loss."""
        levels = zip(self.plan.levels, self._rungs, strict=True)
        return [(trial, level, loss) for level, rung in levels for loss, trial in rung.ranked]

    def complete(self, rung: int) -> bool:
        """True where every result that can arrive at a rung has arrived."""
        return self._rungs[rung].missing == 0

    def observations(self, rung: int) -> Observations:
        """The results at a rung so far, in the order of trials."""
        ranked = sorted(self._rungs[rung].ranked, key=itemgetter(1))
        rows = np.array([trial - self.first_trial for _, trial in ranked], np.int64)
        losses = np.array([loss for loss, _ in ranked], np.float64)
        return Observations(self.points[rows], np.full(len(rows), self.plan.levels[rung]), losses)

    def promotable(self) -> set[int]:
        """The trials that are promoted and have no result at the next rung yet, or may yet be promoted."""
        ahead: set[int] = set()
        trials: set[int] = set()
        for rung in reversed(self._rungs):
            trials.update(trial for _, trial in rung.ranked[: min(rung.slots, rung.finite)] if trial not in ahead)
            ahead.update(trial for _, trial in rung.ranked)
        return trials

    def survivors(self, rung: int) -> Sequence[int] | None:
        """The trials that a rung promotes, ascending; None until all of its results are in."""
        results = self._rungs[rung]
        return None if results.missing else sorted(results.promoted)

    def handle(self, trial: int, rung: int, loss: float) -> RungDecision:
        """Takes one result and says what it settles.

        Args:
            trial: The trial's number.
            rung: The rung's index.
            loss: The trial's best value up to the rung, to be minimised; infinite where it diverged or failed, which is
                never promoted.
        """
        results, last = self._rungs[rung], rung == len(self._rungs) - 1
        stopped = results.add((loss, trial))
        self._missing -= 1
        if last:
            return RungDecision(completed=[trial] if isfinite(loss) else [])
        decision = RungDecision([], stopped, [])
        self._settle(rung, decision)
        return decision

    def _settle(self, rung: int, decision: RungDecision) -> None:
        """Settles a rung and, once it is closed, the rungs above, to which fewer than planned may come."""
        results = self._rungs[rung]
        decision.promoted += [(trial, rung + 1) for trial in results.settle()]
        if results.missing:
            return
        upper, coming = self._rungs[rung + 1], len(results.promoted)
        if upper.expected != coming:
            self._missing -= upper.expected - coming
            upper.expected = coming
            if rung + 2 < len(self._rungs):  # at the last rung nothing is left to settle: its trials have completed
                self._settle(rung + 1, decision)
