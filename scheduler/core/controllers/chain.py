"""Controllers one after the other, which are one to the sweep: its trials and brackets are numbered through.

All but the last open no more brackets: those that are open finish as they were planned. The last learns from the
results of all.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import chain, groupby
from math import isfinite

import numpy as np

from ....search_spaces import Value
from ..proposers.observations import Observations
from ..proposers.proposal import Proposal, Request
from ..proposers.transfer import Transfer
from ..trials.seeds import derived_seed
from ..trials.trial import Parent, TrialRow
from .asha import AshaController
from .bracket import RungDecision
from .controller import MOST_AHEAD, Controller, Result, Suggestion
from .initial import untried
from .registry import SearchConfig, make_controller, rebudget
from .revision import SearchChange
from .schedule import BracketPlan

_STREAM = 2**41
"""Far from every trial's number and from the stream of `transfer`, which seeds are derived from too."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One controller of a chain.

    Attributes:
        controller: It numbers its trials, brackets and proposals from 0.
        search: The search that it was made for; its budget is what the earlier ones left.
        trial: The number of its first trial in the sweep.
        bracket: The number of its first bracket.
        proposal: The number of its first proposal.
        assumed: Values that its trials are taken to have, of hyperparameters that came later.
    """

    controller: Controller
    search: SearchConfig
    trial: int
    bracket: int
    proposal: int
    assumed: Mapping[str, Value] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """The hyperparameters that its trials have."""
        return {*self.search.space.names, *self.assumed}

    def numbered(self, suggestion: Suggestion) -> Suggestion:
        """A suggestion in the numbers of the sweep, with the values that are assumed."""
        return replace(
            suggestion,
            trial=suggestion.trial + self.trial,
            bracket=suggestion.bracket + self.bracket,
            group=suggestion.group + self.trial,
            config={**self.assumed, **suggestion.config},
            parent=None if suggestion.parent is None else self.numbered_parent(suggestion.parent),
        )

    def numbered_parent(self, parent: Parent) -> Parent:
        """A parent in the numbers of the sweep."""
        return Parent(parent.trial + self.trial, parent.step)


class ControllerChain:
    """Controllers one after the other: all but the last only finish what they began.

    Args:
        first: The first controller, before whose end the others are appended.
        search: The search that it was made for.
    """

    def __init__(self, first: Controller, search: SearchConfig) -> None:
        self._parts = [_Part(first, search, 0, 0, 0)]
        self._restated: list[Result] = []
        """Results of the parts whose own results are of another metric."""
        self._live = 0
        """The first part whose own results count."""
        self._own = Observations.empty(search.space.dimensions)
        """The results of this sweep that the last part began with."""

    @property
    def single(self) -> Controller | None:
        """The first controller while no other has followed it."""
        return self._parts[0].controller if len(self._parts) == 1 else None

    @property
    def finished(self) -> bool:
        """True where no decision will follow any more, once all results are in."""
        return all(part.controller.finished for part in self._parts)

    @property
    def wanted(self) -> int | None:
        """The number of the proposal that is wanted now; None while none is."""
        last = self._parts[-1]
        wanted = last.controller.wanted
        return None if wanted is None else wanted + last.proposal

    def request(self) -> Request:
        """The inputs of the proposal that is wanted."""
        last = self._parts[-1]
        request = last.controller.request()
        return replace(request, number=request.number + last.proposal)

    def accept(self, proposal: Proposal) -> None:
        """Takes the proposal that was wanted."""
        last = self._parts[-1]
        last.controller.accept(replace(proposal, number=proposal.number - last.proposal))

    def decide(self, free: int) -> list[Suggestion]:
        """At most `free` groups to train next: what was begun first goes first."""
        suggestions: list[Suggestion] = []
        for part in self._parts:
            decided = part.controller.decide(free) if free > 0 else []
            free -= sum(1 for _ in groupby(suggestion.group for suggestion in decided))
            suggestions += map(part.numbered, decided)
        return suggestions

    def handle(self, trial: int, rung: int, loss: float) -> RungDecision:
        """Takes a trial's result at a rung."""
        part = self._part_of(trial)
        decision = part.controller.handle(trial - part.trial, rung, loss)
        return RungDecision(
            [(promoted + part.trial, upper) for promoted, upper in decision.promoted],
            [stopped + part.trial for stopped in decision.stopped],
            [completed + part.trial for completed in decision.completed],
        )

    def promotable(self) -> set[int]:
        """The trials that may be trained further, of all controllers."""
        return {trial + part.trial for part in self._parts for trial in part.controller.promotable()}

    def parents(self) -> set[Parent]:
        """The checkpoints that trials begin from which are still to be started, of all controllers."""
        return {part.numbered_parent(parent) for part in self._parts for parent in part.controller.parents()}

    def ahead(self, busy: Set[int]) -> int:
        """Groups that may be trained beside those that were given out, of all controllers."""
        groups = sum(part.controller.ahead({trial - part.trial for trial in busy}) for part in self._parts)
        return min(MOST_AHEAD, groups)

    def observations(self) -> Observations:
        """The results that the last controller has to learn from, without those of earlier sweeps."""
        return Observations.concatenate([self._own, self._parts[-1].controller.observations()])

    def results(self) -> list[Result]:
        """All results so far with the trials that have them."""
        return self._restated + [
            (trial + part.trial, level, loss)
            for part in self._parts[self._live :]
            for trial, level, loss in part.controller.results()
        ]

    @property
    def plans(self) -> Sequence[BracketPlan]:
        """The plans of the brackets that have been opened, by number."""
        return [plan for part in self._parts for plan in part.controller.plans]

    def coming(self) -> Iterator[BracketPlan]:
        """The brackets that are still to be opened."""
        return self._parts[-1].controller.coming()

    def schedule(self) -> Iterator[BracketPlan]:
        """The brackets that have been opened and those that are still to be."""
        last = self._parts[-1]
        return chain(self.plans[: last.bracket], last.controller.schedule())

    @property
    def unfinished(self) -> Sequence[int]:
        """Numbers of the brackets that have been opened and are not finished."""
        return [number + part.bracket for part in self._parts for number in part.controller.unfinished]

    @property
    def reserved(self) -> int:
        """The number after those of all trials of the brackets that are not finished, started or not."""
        ends = ((part.trial, part.controller.reserved) for part in self._parts)
        return max((first + reserved for first, reserved in ends if reserved), default=0)

    def end(self, ended: Mapping[int, BracketPlan]) -> None:
        """Ends brackets now."""
        for part in self._parts:
            numbers = range(part.bracket, part.bracket + len(part.controller.plans))
            part.controller.end({number - part.bracket: ended[number] for number in numbers if number in ended})

    def retire(self) -> None:
        """Opens no more brackets."""
        self._parts[-1].controller.retire()

    def rebudget(self, search: SearchConfig) -> bool:
        """Lets the last controller go on with another budget, and says whether it can."""
        last = self._parts[-1]
        earlier = self.plans[: last.bracket]
        after = replace(last.search, budget=search.budget.less(*earlier))
        if not rebudget(last.controller, after):
            return False
        self._parts[-1] = replace(last, search=after)
        return True

    def waiting(self, *, finished: bool) -> list[int]:
        """Trials that wait in asynchronous halving, where it goes on or where it is finished."""
        return [
            trial + part.trial
            for part in self._parts
            if isinstance(part.controller, AshaController) and part.controller.finished == finished
            for trial in part.controller.waiting
        ]

    def append(self, change: SearchChange, rows: Sequence[TrialRow], proposal: int) -> None:
        """Lets another controller follow.

        Args:
            change: The change to the search.
            rows: The table of trials.
            proposal: The number of the first proposal that was not made yet.
        """
        if change.restated is not None:
            self._restate(change.restated)
        own = self._learnt(change, rows)
        self._parts[-1].controller.retire()
        plans, prior = self.plans, change.after.prior or Observations.empty(change.after.space.dimensions)
        search = replace(
            change.after,
            budget=change.after.budget.less(*plans),
            seed=derived_seed(change.after.seed, _STREAM + len(plans)),
            prior=Observations.concatenate([prior, own]),
            own=len(own),
            initial=untried(change.after.initial, self._tried(rows)),
        )
        self._assume(change)
        first = self._next_trial(rows)
        self._parts.append(_Part(make_controller(search), search, first, len(plans), max(len(plans), proposal)))
        self._own = own

    def _part_of(self, trial: int) -> _Part:
        return next(part for part in reversed(self._parts) if part.trial <= trial)

    def _next_trial(self, rows: Sequence[TrialRow]) -> int:
        """The number after those of all trials that were started or still will be."""
        return max([self.reserved, *(1 + row.trial for row in rows)])

    def _tried(self, rows: Sequence[TrialRow]) -> list[Mapping[str, Value]]:
        """The initial configurations of trials that were started or still will be."""
        begun = [(trial, self._part_of(trial)) for trial in {*range(self.reserved), *(row.trial for row in rows)}]
        places = [(part.search.initial, trial - part.trial) for trial, part in begun]
        return [initial[place] for initial, place in places if place < len(initial)]

    def _restate(self, restated: Sequence[Result]) -> None:
        worst = [result for result in self.results() if not isfinite(result[2])]
        self._restated, self._live = [*restated, *worst], len(self._parts)

    def assumed(self, trial: int) -> Mapping[str, Value]:
        """The values that a trial is taken to have, of hyperparameters that came after it."""
        return self._part_of(trial).assumed

    def _assume(self, change: SearchChange) -> None:
        """Gives the trials that are begun the values that are assumed for them."""
        self._parts = [
            replace(part, assumed={**part.assumed, **_unconditional(change, part.names)}) for part in self._parts
        ]

    def _learnt(self, change: SearchChange, rows: Sequence[TrialRow]) -> Observations:
        """All results so far in the space of the next controller, as far as they can be there."""
        configs, full = {row.trial: row.config for row in rows}, change.after.resource.max
        results = sorted(result for result in self.results() if result[1] <= full)
        parts = [Observations.empty(change.after.space.dimensions)]
        for part, group in groupby(results, lambda result: self._part_of(result[0])):
            parts.append(_transferred(list(group), configs, part.names, change))
        return Observations.concatenate(parts)


def _unconditional(change: SearchChange, known: Collection[str]) -> dict[str, Value]:
    """The assumed values of names that are new and belong to every configuration."""
    domains = change.after.space.domains
    return {
        name: value
        for name, value in change.assumed.items()
        if name in domains and name not in known and not domains[name].when
    }


def _transferred(
    results: Sequence[Result], configs: Mapping[int, Mapping[str, Value]], names: Collection[str], change: SearchChange
) -> Observations:
    """Results of trials that have certain names, in another space."""
    space = change.after.space
    assumed = {name: value for name, value in change.assumed.items() if name not in names and name in space.domains}
    trials = sorted({trial for trial, _, _ in results})
    transferred = Transfer(space, names, assumed, change.after.seed)([configs[trial] for trial in trials])
    points = {trial: space.encode(one.configs) for trial, one in zip(trials, transferred, strict=True) if one.configs}
    rows = [(points[trial], level, loss) for trial, level, loss in results if trial in points]
    if not rows:
        return Observations.empty(space.dimensions)
    counts = [len(copies) for copies, _, _ in rows]
    return Observations(
        np.concatenate([copies for copies, _, _ in rows]),
        np.repeat(np.array([level for _, level, _ in rows], np.int64), counts),
        np.repeat(np.array([loss for _, _, loss in rows], np.float64), counts),
    )
