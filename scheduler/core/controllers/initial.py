"""Configurations that a search begins with: they go before all points of a design and all proposals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ....search_spaces import InvalidSpaceError, SearchSpace, Value
from ....search_spaces.values import identity, show
from ..proposers.design import Design
from ..proposers.proposal import Points, Proposal, Request
from .samplers import BracketSampler, NextBracket
from .schedule import BracketPlan

_BLOCK = 256
_MOST_DRAWN = 1 + 64 * _BLOCK
"""After so many points without one that completes a configuration there is none."""


@dataclass(frozen=True, slots=True)
class Initial:
    """The first trials of a search.

    Attributes:
        points: float64 [n, d], in the unit cube.
        configs: Their configurations, with the values as they were given.
    """

    points: Points
    configs: Sequence[Mapping[str, Value]]

    def exact(self, first: int, configs: Sequence[Mapping[str, Value]]) -> list[Mapping[str, Value]]:
        """The configurations of trials from number `first`, which decoding may have missed by a rounding."""
        own = self.configs[first : first + len(configs)]
        return [*own, *configs[len(own) :]]


NO_INITIAL = Initial(np.empty((0, 0)), ())
"""No initial trials: the search begins with its design."""


def complete(space: SearchSpace, given: Sequence[Mapping[str, Value]], design: Design) -> Initial:
    """Configurations of which hyperparameters may be left out: each takes these from a point of a design.

    Args:
        space: The search space.
        given: Values of hyperparameters that are active with them, inside their domains.
        design: The sequence of points, from which one is drawn for each, and more where constraints do not hold.

    Raises:
        InvalidSpaceError: A configuration breaks a constraint, whatever is drawn.
    """
    if not given:
        return NO_INITIAL
    points = np.concatenate([_completed(space, place, config, design) for place, config in enumerate(given)])
    return Initial(points, list(map(space.exact, space.decode(points), given)))


def _completed(space: SearchSpace, place: int, config: Mapping[str, Value], design: Design) -> Points:
    """The first point of a design that satisfies the constraints once it has the values of a configuration, [1, d]."""
    drawn, most = 0, _MOST_DRAWN
    while drawn < most:
        unit = _with_values(space, config, design.draw(_BLOCK if drawn else 1))
        feasible = unit[space.feasible(unit, config)]
        if len(feasible):
            return feasible[:1]
        drawn += len(unit)
        most = 1 if _is_complete(space, config, unit) else most
    what = show(dict(config))
    broken = f"{what} does not satisfy" if most == 1 else f"none of {drawn:,} configurations with {what} satisfies"
    raise InvalidSpaceError(f"initial[{place}]: {broken} {' and '.join(space.constraints)}; give other values")


def _with_values(space: SearchSpace, config: Mapping[str, Value], unit: Points) -> Points:
    """Points with the values of a configuration, and their own where it has none."""
    columns = [
        domain.encode([config[name]] * len(unit)) if name in config else unit[:, column]
        for column, (name, domain) in enumerate(space.varying.items())
    ]
    return np.stack(columns, axis=1) if columns else unit


def _is_complete(space: SearchSpace, config: Mapping[str, Value], unit: Points) -> bool:
    """True where nothing of the configurations at these points is drawn."""
    return all(name in config or space.domains[name].is_constant for name in space.decode(unit[:1])[0])


def untried(initial: Sequence[Mapping[str, Value]], tried: Sequence[Mapping[str, Value]]) -> list[Mapping[str, Value]]:
    """The configurations that are not among those that were tried."""
    known = set(map(identity, tried))
    return [config for config in initial if identity(config) not in known]


class InitialSampler:
    """Has the first trials be initial ones, in as many brackets as that takes, and leaves the others to a sampler.

    Args:
        initial: The first trials.
        sampler: It chooses the points after these, and knows them as points whose results are not seen yet.
    """

    def __init__(self, initial: Initial, sampler: BracketSampler) -> None:
        self._initial, self._sampler = initial, sampler

    def together(self, plans: Sequence[BracketPlan]) -> bool:
        """As the sampler says."""
        return self._sampler.together(plans)

    def points(self, upcoming: NextBracket) -> Points | None:
        """The initial points that belong here, before those of the sampler."""
        own, rest = self._own(upcoming), self._rest(upcoming)
        if not rest.n:
            return own
        others = self._sampler.points(rest)
        return None if others is None else np.concatenate([own, others])

    def wants(self, upcoming: NextBracket) -> bool:
        """True where the sampler wants a proposal for what is not initial."""
        rest = self._rest(upcoming)
        return rest.n > 0 and self._sampler.wants(rest)

    def request(self, upcoming: NextBracket) -> Request:
        """The sampler's request."""
        return self._sampler.request(self._rest(upcoming))

    def accept(self, proposal: Proposal) -> None:
        """Gives the sampler what it wanted."""
        self._sampler.accept(proposal)

    def forget(self) -> None:
        """Has the sampler forget: what is initial follows from the numbers of trials."""
        self._sampler.forget()

    def _own(self, upcoming: NextBracket) -> Points:
        return self._initial.points[upcoming.first_trial : upcoming.first_trial + upcoming.n]

    def _rest(self, upcoming: NextBracket) -> NextBracket:
        own = self._own(upcoming)
        if not len(own):
            return upcoming
        count, first = upcoming.n - len(own), upcoming.first_trial + len(own)
        return replace(upcoming, n=count, first_trial=first, waiting=[*upcoming.waiting, own])
