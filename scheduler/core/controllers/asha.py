"""Asynchronous successive halving (ASHA: Li et al., MLSys 2020), of the kind that pauses and promotes.

No rung waits to be full: a free worker takes the best trial that may be promoted, or a new one. What is promoted then
depends on which results came first, so the table of trials is not the same for every number of workers; a replay of the
recorded decisions is.

A rung with n results promotes at most n / eta trials in all. The paper promotes whatever is among the best n / eta at
the moment; where new trials are drawn near the best they would nearly all be, and the highest rung would have to train
them.
"""

from bisect import insort
from collections import deque
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from math import isfinite, isinf
from operator import itemgetter

import numpy as np

from ....search_spaces import SearchSpace, Value
from ..proposers.design import Design
from ..proposers.exploration import ExplorationPolicy
from ..proposers.observations import Observations
from ..proposers.proposal import Points, Proposal, Request
from ..proposers.region import Region
from ..trials.trial import Parent
from .bracket import Ranked, RungDecision
from .controller import MOST_AHEAD, Result, Suggestion
from .initial import NO_INITIAL, Initial
from .schedule import BracketPlan


@dataclass(slots=True)
class _Rung:
    """Results at one resource level.

    Attributes:
        ranked: All results.
        waiting: Those that are finite and were not promoted, best first.
        promoted: Number of those that were promoted.
    """

    ranked: list[Ranked] = field(default_factory=list)
    waiting: list[Ranked] = field(default_factory=list)
    promoted: int = 0

    def add(self, loss: float, trial: int) -> None:
        insort(self.ranked, (loss, trial))
        if isfinite(loss):
            insort(self.waiting, (loss, trial))

    def promotable(self, eta: int) -> bool:
        """True where the best that waits is among the best n / eta, and fewer than that were promoted."""
        quota = len(self.ranked) // eta
        return bool(self.waiting) and self.promoted < quota and self.waiting[0] <= self.ranked[quota - 1]

    def hopeful(self, most: float) -> list[int]:
        """The trials that wait and may yet be promoted, where the rung promotes `most` trials in the end."""
        ahead = len(self.waiting) if isinf(most) else max(0, int(most) - self.promoted)
        within = self.ranked if isinf(most) else self.ranked[: int(most)]
        return [trial for loss, trial in self.waiting[:ahead] if (loss, trial) <= within[-1]]


@dataclass(frozen=True, slots=True)
class Ladder:
    """The rungs of asynchronous halving.

    Attributes:
        levels: Resource of each rung, in steps, increasing.
        eta: The reduction factor, at least 2.
        trials: Number of trials that are started; infinite where only the time is limited.
    """

    levels: tuple[int, ...]
    eta: int
    trials: float


class AshaController:
    """Runs one endless or finite bracket whose rungs do not wait.

    Args:
        space: The search space.
        ladder: Its rungs.
        design: The sequence of points that no result changes.
        exploration: The policy by which other points follow from results; None takes all from the design.
        initial: The first trials.
    """

    def __init__(
        self,
        space: SearchSpace,
        ladder: Ladder,
        design: Design,
        exploration: ExplorationPolicy | None = None,
        initial: Initial = NO_INITIAL,
    ) -> None:
        self._space, self._design, self._exploration, self._initial = space, design, exploration, initial
        self._levels, self._eta, self._trials = ladder.levels, ladder.eta, ladder.trials
        self._rungs = [_Rung() for _ in self._levels]
        self._points: list[Points] = []
        """The point of each trial that was started, float64 [d]."""
        self._configs: list[Mapping[str, Value]] = []
        self._queue: deque[Points] = deque(initial.points)
        """Points of trials that were not started."""
        self._running: set[int] = set()
        self._unseen: set[int] = set()
        """Trials without any result."""
        self._batches = self._proposed = self._drawn = self._finite = 0
        self._region: Region | None = None
        self._ended: BracketPlan | None = None

    @property
    def finished(self) -> bool:
        """True where nothing runs, nothing may be promoted, and no trial may be started."""
        return not self._running and len(self._points) >= self._trials and self._promotable() is None

    @property
    def wanted(self) -> int | None:
        """The number of the batch for which a proposal is wanted: when few points are left, and results are enough."""
        if self._exploration is None or len(self._queue) >= self._eta or self._unplanned <= 0:
            return None
        finite = self._exploration.prior.finite + self._finite
        return self._batches if finite >= self._exploration.enough else None

    def request(self) -> Request:
        """A batch of as many points as there are running trials, at least eta^2."""
        n = int(min(max(self._eta**2, len(self._running)), self._unplanned))
        pending = np.array([*(self._points[trial] for trial in sorted(self._unseen)), *self._queue])
        pending = pending.reshape(-1, self._space.dimensions)
        assert self._exploration is not None, "asked only where a proposal is wanted"
        seen = Observations.concatenate([self._exploration.prior, self.observations()])
        return Request(self._batches, n, seen, pending, self._region, self._exploration.earlier)

    def accept(self, proposal: Proposal) -> None:
        """Queues the proposed points, and as many of the design that its share of all is kept."""
        assert self._exploration is not None, "proposals are wanted by controllers that learn"
        self._batches += 1
        self._proposed += len(proposal.points)
        self._queue.extend(proposal.points)
        missing = (
            self._exploration.global_beside(self._proposed) - self._drawn if len(proposal.points) else self._eta**2
        )
        missing = int(max(0, min(missing, self._unplanned)))
        self._drawn += missing
        self._queue.extend(self._design.draw(missing))
        if proposal.insight is not None:
            self._region = proposal.insight.region

    def decide(self, free: int) -> list[Suggestion]:
        """At most `free` trials to train next: promotions from the highest rung down, then new trials."""
        suggestions: list[Suggestion] = []
        while len(suggestions) < free and (suggestion := self._promote() or self._suggest()) is not None:
            self._running.add(suggestion.trial)
            suggestions.append(suggestion)
        return suggestions

    def handle(self, trial: int, rung: int, loss: float) -> RungDecision:
        """Takes one result; what is not promoted waits, and is stopped when nothing can follow."""
        self._running.discard(trial)
        self._unseen.discard(trial)
        self._rungs[rung].add(loss, trial)
        self._finite += isfinite(loss)
        decision = RungDecision()
        if rung == len(self._rungs) - 1 and isfinite(loss):
            decision.completed.append(trial)
        if self.finished:
            decision.stopped += self.waiting
        return decision

    def promotable(self) -> set[int]:
        """The trials that wait at a rung and are not out of reach of all promotions that it may make in the end."""
        trials, most = set[int](), self._trials
        for rung in self._rungs[:-1]:
            most = most if isinf(most) else most // self._eta
            trials.update(rung.hopeful(most))
        return trials

    def parents(self) -> set[Parent]:
        """None: every trial begins anew."""
        return set()

    def ahead(self, busy: Set[int]) -> int:
        """Trials that were not started, and those that wait and may be promoted."""
        return int(min(MOST_AHEAD, self._trials - len(self._points) + len(self.promotable() - busy)))

    def observations(self) -> Observations:
        """All results so far, in the order of rungs and trials."""
        rows = [
            (trial, level, loss)
            for rung, level in zip(self._rungs, self._levels, strict=True)
            for loss, trial in sorted(rung.ranked, key=itemgetter(1))
        ]
        points = np.array([self._points[trial] for trial, _, _ in rows]).reshape(-1, self._space.dimensions)
        resource = np.array([level for _, level, _ in rows], np.int64)
        return Observations(points, resource, np.array([loss for _, _, loss in rows], np.float64))

    def results(self) -> list[Result]:
        """All results so far with the trials that have them."""
        levels = zip(self._rungs, self._levels, strict=True)
        return [(trial, level, loss) for rung, level in levels for loss, trial in rung.ranked]

    @property
    def waiting(self) -> list[int]:
        """Trials that wait at a rung and were not promoted."""
        return [trial for rung in self._rungs[:-1] for _, trial in rung.waiting]

    @property
    def levels(self) -> tuple[int, ...]:
        """Resource of each rung, in steps, increasing."""
        return self._levels

    @property
    def plans(self) -> Sequence[BracketPlan]:
        """The one bracket as far as it was started, and what may become of these trials."""
        return [self._ended or self._plan(len(self._points))] if self._points else []

    def coming(self) -> Iterator[BracketPlan]:
        """The trials that are still to be started; none where only the time is limited."""
        if isfinite(self._trials) and (missing := int(self._trials) - len(self._points)) > 0:
            yield self._plan(missing)

    def schedule(self) -> Iterator[BracketPlan]:
        """The one bracket with all of its trials; where only the time is limited, the smallest that has all rungs."""
        smallest = self._eta ** (len(self._levels) - 1)
        yield self._ended or self._plan(int(self._trials) if isfinite(self._trials) else smallest)

    @property
    def unfinished(self) -> Sequence[int]:
        """Bracket 0 while something of it may follow, without new trials."""
        return [0] if self._points and (self._running or self._promotable() is not None) else []

    @property
    def reserved(self) -> int:
        """The number of trials that were started."""
        return len(self._points)

    def limit(self, trials: float) -> None:
        """Starts no more trials than these in all, or as many as there are already; infinite is no limit."""
        self._trials = max(trials, len(self._points))

    def retire(self) -> None:
        """Starts no more trials."""
        self.limit(0)

    def end(self, ended: Mapping[int, BracketPlan]) -> None:
        """Ends the bracket now: what waits is not promoted any more."""
        for plan in ended.values():
            self._ended = plan
            self._trials = len(self._points)
            self._running.clear()
            self._unseen.clear()
            for rung in self._rungs:
                rung.waiting.clear()

    def _plan(self, trials: int) -> BracketPlan:
        return BracketPlan(self._levels, tuple(trials // self._eta**rung for rung in range(len(self._levels))))

    @property
    def _unplanned(self) -> float:
        return self._trials - len(self._points) - len(self._queue)

    def _promotable(self) -> int | None:
        """The highest rung from which a trial may be promoted."""
        below = range(len(self._rungs) - 2, -1, -1)
        return next((rung for rung in below if self._rungs[rung].promotable(self._eta)), None)

    def _promote(self) -> Suggestion | None:
        rung = self._promotable()
        if rung is None:
            return None
        self._rungs[rung].promoted += 1
        _, trial = self._rungs[rung].waiting.pop(0)
        return self._work(trial, rung + 1)

    def _suggest(self) -> Suggestion | None:
        if len(self._points) >= self._trials:
            return None
        if not self._queue:
            if self.wanted is not None:
                return None
            self._queue.extend(self._design.draw(1))
        trial, point = len(self._points), self._queue.popleft()
        self._configs += self._initial.exact(trial, self._space.decode(point[None]))
        self._points.append(self._space.snap(point[None])[0])
        self._unseen.add(trial)
        return self._work(trial, 0)

    def _work(self, trial: int, rung: int) -> Suggestion:
        return Suggestion(trial, 0, rung, self._levels[rung], self._configs[trial], trial)
