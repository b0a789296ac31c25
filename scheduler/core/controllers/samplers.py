"""Samplers: they choose the points of each bracket, and say which results a bracket's points depend on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ....search_spaces import SearchSpace
from ..proposers.design import Design
from ..proposers.exploration import ExplorationPolicy
from ..proposers.observations import Observations
from ..proposers.proposal import Points, Proposal, Request
from ..proposers.region import Region
from .bracket import Bracket
from .schedule import BracketPlan


@dataclass(frozen=True, slots=True)
class NextBracket:
    """The next bracket that needs points.

    Attributes:
        number: Its number.
        n: Number of points that it needs, at least 1.
        first_trial: Number of its first trial.
        brackets: The brackets that have been opened, in order.
        waiting: Points of the brackets between those and this one, which open with it.
    """

    number: int
    n: int
    first_trial: int
    brackets: Sequence[Bracket]
    waiting: Sequence[Points] = ()


class BracketSampler(Protocol):
    """Chooses points for one bracket after the other."""

    def together(self, plans: Sequence[BracketPlan]) -> bool:
        """True where consecutive brackets may open at once: none of them sees a result of another."""

    def points(self, upcoming: NextBracket) -> Points | None:
        """The bracket's points, once; None while results or a proposal are missing."""

    def wants(self, upcoming: NextBracket) -> bool:
        """True where all results that a proposal for the bracket depends on are in, but not the proposal itself."""

    def request(self, upcoming: NextBracket) -> Request:
        """The inputs of the proposal, where one is wanted."""

    def accept(self, proposal: Proposal) -> None:
        """Takes the proposal that was wanted."""

    def forget(self) -> None:
        """Gives up what was prepared for the next bracket, which is another one than it was."""


class DesignSampler:
    """Takes all points from a design: no bracket waits for another.

    Args:
        design: The sequence of points.
    """

    def __init__(self, design: Design) -> None:
        self._design = design

    def together(self, plans: Sequence[BracketPlan]) -> bool:
        """Always."""
        return True

    def points(self, upcoming: NextBracket) -> Points | None:
        """The next points of the design."""
        return self._design.draw(upcoming.n)

    def wants(self, upcoming: NextBracket) -> bool:
        """Never."""
        return False

    def request(self, upcoming: NextBracket) -> Request:
        """Not called, since nothing is wanted."""
        raise NotImplementedError

    def accept(self, proposal: Proposal) -> None:
        """Not called, since nothing is wanted."""
        raise NotImplementedError

    def forget(self) -> None:
        """Nothing is prepared."""


class ProposalSampler:
    """Takes most points from proposals that were made from earlier results, and the others from a design.

    Bracket b sees the results at rung r of bracket j when b - j, plus the rungs above r in bracket j, are at least
    `pipeline`: a rule of numbers alone. With 1 it sees all earlier results, and brackets run one after the other. With
    2 it opens while the bracket before it is on its last rung, with 3 on its last two, as in a systolic array, and what
    it does not see is little and young.

    Args:
        space: The search space.
        design: The sequence of points as long as there are few results, and of the share that stays global.
        exploration: The policy by which other points follow from results.
        pipeline: At least 1.
    """

    def __init__(self, space: SearchSpace, design: Design, exploration: ExplorationPolicy, pipeline: int) -> None:
        self._space, self._design = space, design
        self._exploration, self._pipeline = exploration, pipeline
        self._parts: dict[tuple[int, int], Observations] = {}
        """The results of each rung of each bracket, once they are complete and seen."""
        self._seen: tuple[int, Observations] | None = None
        """The results that the bracket of a number sees, once all of them are there."""
        self._drawn: Points | None = None
        """The global points of the next bracket, once they are drawn."""
        self._proposal: Proposal | None = None
        self._region: Region | None = None

    def together(self, plans: Sequence[BracketPlan]) -> bool:
        """True where the pipeline is long enough for the last of these not to see the lowest rung of another."""
        last = len(plans) - 1
        return all(last - place + len(plan.levels) - 1 < self._pipeline for place, plan in enumerate(plans[:-1]))

    def points(self, upcoming: NextBracket) -> Points | None:
        """Proposed points before global ones, or points of the design alone where there are few results."""
        seen = self._observations(upcoming)
        if seen is None:
            return None
        if not self._learns(upcoming, seen):
            return self._design.draw(upcoming.n)
        if self._proposal is None:
            return None
        proposed, drawn = self._proposal.points, self._global(upcoming)
        self._proposal = self._drawn = None
        missing = upcoming.n - len(proposed) - len(drawn)
        parts = [proposed, drawn, *([self._design.draw(missing)] if missing else [])]
        # A proposal without points that comes from a record has forgotten their dimension.
        return np.concatenate([part for part in parts if len(part)])

    def wants(self, upcoming: NextBracket) -> bool:
        """True where all results that the bracket sees are in and are enough to learn from."""
        if self._proposal is not None:
            return False
        seen = self._observations(upcoming)
        return seen is not None and self._learns(upcoming, seen)

    def request(self, upcoming: NextBracket) -> Request:
        """The results that the bracket sees, and the points whose results it does not see at all."""
        seen, drawn = self._observations(upcoming), self._global(upcoming)
        assert seen is not None, "asked only where a proposal is wanted"
        unseen = [bracket.points for bracket in upcoming.brackets if not self._sees(upcoming.number, bracket, 0)]
        pending = self._space.snap(np.concatenate([*unseen, *upcoming.waiting, drawn]))
        count = upcoming.n - len(drawn)
        return Request(upcoming.number, count, seen, pending, self._region, self._exploration.earlier)

    def accept(self, proposal: Proposal) -> None:
        """Keeps the proposal until the bracket opens."""
        self._proposal = proposal
        if proposal.insight is not None:
            self._region = proposal.insight.region

    def forget(self) -> None:
        """Gives up a proposal: one of another size is wanted."""
        self._proposal = self._drawn = self._seen = None

    def _learns(self, upcoming: NextBracket, seen: Observations) -> bool:
        global_count = self._exploration.global_count(upcoming.first_trial, upcoming.n)
        return seen.finite >= self._exploration.enough and global_count < upcoming.n

    def _global(self, upcoming: NextBracket) -> Points:
        if self._drawn is None:
            count = self._exploration.global_count(upcoming.first_trial, upcoming.n)
            self._drawn = self._design.draw(count)
        return self._drawn

    def _sees(self, number: int, bracket: Bracket, rung: int) -> bool:
        return number - bracket.number + len(bracket.plan.levels) - 1 - rung >= self._pipeline

    def _observations(self, upcoming: NextBracket) -> Observations | None:
        """All results that the bracket sees, in the order of brackets, rungs and trials; None while one is missing."""
        if self._seen is None or self._seen[0] != upcoming.number:
            rungs = [
                (bracket, rung)
                for bracket in upcoming.brackets
                for rung in range(len(bracket.plan.levels))
                if self._sees(upcoming.number, bracket, rung)
            ]
            # The latest results are missing the longest.
            if not all(bracket.complete(rung) for bracket, rung in reversed(rungs)):
                return None
            parts = [self._part(bracket, rung) for bracket, rung in rungs]
            self._seen = upcoming.number, Observations.concatenate([self._exploration.prior, *parts])
        return self._seen[1]

    def _part(self, bracket: Bracket, rung: int) -> Observations:
        key = bracket.number, rung
        if key not in self._parts:
            found = bracket.observations(rung)
            self._parts[key] = replace(found, points=self._space.snap(found.points))
        return self._parts[key]
