"""The controllers by name, a line each: which brackets each runs and where their trials come from."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import inf
from typing import Literal

from ....search_spaces import SearchSpace, Value
from ..proposers.design import Design, GridDesign, sobol_design, uniform_design
from ..proposers.exploration import ENOUGH_RESULTS, ExplorationPolicy
from ..proposers.observations import Observations
from .asha import AshaController, Ladder
from .controller import Controller
from .grouping import ALONE, Grouping
from .halving import HalvingController
from .initial import Initial, InitialSampler, complete
from .samplers import BracketSampler, DesignSampler, ProposalSampler
from .schedule import (
    BracketPlan,
    Budget,
    Resource,
    Shape,
    asha_plan,
    coarse_to_fine_shapes,
    full_resource_shapes,
    hyperband_shapes,
    schedule,
)

ControllerName = Literal["coarse_to_fine", "hyperband", "asha", "random", "grid"]

_RANDOM_BRACKET = 64
"""Trials that random search draws at a time; a number of convenience, since nothing is compared."""
PIPELINE = 3
"""The pipeline where nobody says another number: a few workers stay busy, and one finds no less (docs/search.md)."""
_EXPLORE = 0.2

GRID_POINTS = 5
"""Grid points of a continuous hyperparameter where nobody says another number."""


@dataclass(frozen=True, slots=True)
class SearchConfig:
    """The search that a controller is made for.

    Attributes:
        space: The search space.
        resource: The resource that a trial may consume.
        budget: The budget that the sweep may spend.
        seed: The sweep's seed.
        controller: The controller's name.
        learns: Whether points are chosen from results.
        pipeline: The distance by which brackets run ahead of the results that they see, at least 1: `ProposalSampler`.
            Without learning brackets open whenever a worker is free.
        prior: Results of earlier sweeps, to learn from; none if None.
        own: Number of these that are of trials of this sweep; they are the last ones.
        points: Grid points of each continuous hyperparameter, at least 1.
        grouping: The rule by which trials are trained together.
        initial: Values that the first trials have; what one of them lacks is drawn.
    """

    space: SearchSpace
    resource: Resource
    budget: Budget
    seed: int
    controller: ControllerName = "coarse_to_fine"
    learns: bool = False
    pipeline: int | None = None
    prior: Observations | None = None
    own: int = 0
    points: int = GRID_POINTS
    grouping: Grouping = ALONE
    initial: Sequence[Mapping[str, Value]] = ()

    @property
    def waits(self) -> bool:
        """True where brackets wait for the results of earlier ones."""
        return self.learns and CONTROLLERS[self.controller].waits

    @property
    def exploration(self) -> ExplorationPolicy | None:
        """The policy by which points follow from results; None where they do not."""
        if not self.learns:
            return None
        prior = Observations.empty(self.space.dimensions) if self.prior is None else self.prior
        return ExplorationPolicy(_EXPLORE, prior, ENOUGH_RESULTS, self.own)


Opened = Sequence[BracketPlan]
"""The plans of the brackets that have been opened."""


@dataclass(frozen=True, slots=True)
class ControllerKind:
    """A controller by its name: what a spec and its readers have to know of it.

    Attributes:
        brackets: The brackets of a search that follow those that have been opened, known before any result.
        make: The controller of a search, before its first decision.
        design: The points from which it draws where nothing proposes any.
        learns: Whether points are chosen from results where nobody says what chooses them.
        waits: Whether brackets wait for the results of earlier ones where points are chosen from results.
        bounded: Whether it ends without a budget.
        points: The place of its points, in words, where no results change them; None where something may propose them.
        alone: Why its trials cannot be trained together, in words; None where they can.
        settings: The settings of the spec's `controller` that it has.
    """

    brackets: Callable[[SearchConfig, Opened], Iterator[BracketPlan]]
    make: Callable[[SearchConfig], Controller]
    design: Callable[[SearchConfig], tuple[Initial, Design]]
    learns: bool = False
    waits: bool = True
    bounded: bool = False
    points: str | None = None
    alone: str | None = None
    settings: tuple[str, ...] = ()


def bracket_schedule(search: SearchConfig, opened: Opened = ()) -> Iterator[BracketPlan]:
    """The brackets that a search runs, known before any result.

    Args:
        search: The search.
        opened: Brackets that have been opened; the answer is what follows them.
    """
    return CONTROLLERS[search.controller].brackets(search, opened)


def make_controller(search: SearchConfig) -> Controller:
    """The controller of a search, before its first decision."""
    return CONTROLLERS[search.controller].make(search)


def _coarse_to_fine(search: SearchConfig, opened: Opened) -> Iterator[BracketPlan]:
    return _following(search, coarse_to_fine_shapes(search.resource), opened)


def _hyperband(search: SearchConfig, opened: Opened) -> Iterator[BracketPlan]:
    return _following(search, hyperband_shapes(search.resource), opened)


def _asynchronous(search: SearchConfig, _: Opened) -> Iterator[BracketPlan]:
    plan = asha_plan(search.resource, search.budget)
    return iter([] if plan is None else [plan])


def _at_random(search: SearchConfig, opened: Opened) -> Iterator[BracketPlan]:
    return _following(search, full_resource_shapes(_RANDOM_BRACKET), opened)


def _on_a_grid(search: SearchConfig, opened: Opened) -> Iterator[BracketPlan]:
    size, budget = _grid_size(search), search.budget
    limited = Budget(size if budget.trials is None else min(size, budget.trials), budget.resource)
    return _following(replace(search, budget=limited), full_resource_shapes(size), opened)


def _following(search: SearchConfig, shapes: Iterator[Shape], opened: Opened) -> Iterator[BracketPlan]:
    return schedule(search.resource, islice(shapes, len(opened), None), search.budget.less(*opened))


def _make_halving(search: SearchConfig) -> Controller:
    (initial, design), exploration = _begin(search), search.exploration
    sampler: BracketSampler = DesignSampler(design)
    if exploration is not None:
        sampler = ProposalSampler(search.space, design, exploration, pipeline_of(search))
    if search.initial:
        sampler = InitialSampler(initial, sampler)
    return HalvingController(search.space, bracket_schedule(search), sampler, search.grouping, initial)


def _make_asynchronous(search: SearchConfig) -> Controller:
    (initial, design), (levels, trials) = _begin(search), _ladder(search)
    ladder = Ladder(levels, search.resource.eta, trials)
    return AshaController(search.space, ladder, design, search.exploration, initial)


def _evenly(search: SearchConfig) -> tuple[Initial, Design]:
    design = sobol_design(search.space, search.seed)
    return complete(search.space, search.initial, design), design


def _uniformly(search: SearchConfig) -> tuple[Initial, Design]:
    design = uniform_design(search.space, search.seed)
    return complete(search.space, search.initial, design), design


def _grid_points(search: SearchConfig) -> tuple[Initial, Design]:
    initial, _ = _evenly(search)
    return initial, GridDesign(search.space, search.points, initial.points)


CONTROLLERS: Mapping[ControllerName, ControllerKind] = {
    "coarse_to_fine": ControllerKind(_coarse_to_fine, _make_halving, _evenly, learns=True, settings=("pipeline",)),
    "hyperband": ControllerKind(_hyperband, _make_halving, _evenly, settings=("pipeline",)),
    "asha": ControllerKind(
        _asynchronous,
        _make_asynchronous,
        _evenly,
        learns=True,
        waits=False,
        alone="promotes each trial by itself",
    ),
    "random": ControllerKind(_at_random, _make_halving, _uniformly, points="points are drawn at random"),
    "grid": ControllerKind(
        _on_a_grid, _make_halving, _grid_points, bounded=True, points="points are those of a grid", settings=("points",)
    ),
}
"""The controllers by name: another one is a line here, beside what it does."""


def _ladder(search: SearchConfig) -> tuple[tuple[int, ...], float]:
    """The rungs of asynchronous halving, and how many trials it starts."""
    plan = asha_plan(search.resource, search.budget)
    if plan is None:
        return search.resource.levels(0), 0
    return plan.levels, inf if search.budget == Budget() else plan.trials


def rebudget(controller: Controller, search: SearchConfig) -> bool:
    """Goes on with another budget: the brackets that were opened stay, and those follow for which it is enough.

    The trials are those of a sweep that had this budget from the start, if its first brackets are those that were
    opened: all but the last one of a budget are whole.

    Args:
        controller: A controller that `make_controller` made.
        search: The search with the new budget, which is otherwise the one that the controller was made for.

    Returns:
        Whether it can: asynchronous halving has rungs that follow from the budget where that is small. Another
        controller follows one that cannot.
    """
    if isinstance(controller, HalvingController):
        controller.reschedule(bracket_schedule(search, controller.plans))
        return True
    if not isinstance(controller, AshaController):
        return False
    levels, trials = _ladder(search)
    if trials and levels != controller.levels:
        return False
    controller.limit(trials)
    return True


def pipeline_of(search: SearchConfig) -> int:
    """The distance by which brackets run ahead of the results that they see.

    Where trials are trained together, two brackets of `coarse_to_fine` open at once, one of each kind: larger groups
    would gain less than is lost by what they do not see.
    """
    if search.pipeline is not None:
        return search.pipeline
    return PIPELINE if search.grouping.size == 1 else max(PIPELINE, search.resource.widest_kind + 1)


def _begin(search: SearchConfig) -> tuple[Initial, Design]:
    """The first trials, and the design from which the others come."""
    return CONTROLLERS[search.controller].design(search)


def _grid_size(search: SearchConfig) -> int:
    """Trials of a grid, with those that go before it."""
    initial, _ = _evenly(search)
    return len(search.initial) + len(GridDesign(search.space, search.points, initial.points))
