"""The controllers by name: which brackets each runs and where their trials come from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import inf
from typing import Literal

from ...search_spaces import SearchSpace, Value
from .asha import AshaController, Ladder
from .controller import Controller
from .design import Design, GridDesign, sobol_design, uniform_design
from .grouping import ALONE, Grouping
from .guide import DesignGuide, Guide, LearningGuide
from .halving import HalvingController
from .initial import Initial, InitialGuide, complete
from .learning import ENOUGH_RESULTS, Learning
from .observations import Observations
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
"""Where nobody says how far brackets run ahead: a few workers stay busy, and one finds no less (docs/search.md)."""
_EXPLORE = 0.2

GRID_POINTS = 5
"""Grid points of a continuous hyperparameter where nobody says another number."""


@dataclass(frozen=True, slots=True)
class Search:
    """What a controller is made for.

    Attributes:
        space: The search space.
        resource: What a trial may consume.
        budget: What the sweep may spend.
        seed: The sweep's seed.
        controller: The controller's name.
        learns: Whether points are chosen from results.
        pipeline: How far brackets run ahead of the results that they see, at least 1: `LearningGuide`. Without learning
            brackets open whenever a worker is free.
        prior: Results of earlier sweeps, to learn from; none if None.
        own: How many of these, the last ones, are of trials of this sweep.
        points: Grid points of each continuous hyperparameter, at least 1.
        grouping: Which trials are trained together.
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
        """Whether brackets wait for the results of earlier ones."""
        return self.learns and self.controller != "asha"

    @property
    def learning(self) -> Learning | None:
        """How points follow from results; None where they do not."""
        if not self.learns:
            return None
        prior = Observations.empty(self.space.dimensions) if self.prior is None else self.prior
        return Learning(_EXPLORE, prior, ENOUGH_RESULTS, self.own)


def bracket_schedule(search: Search, opened: Sequence[BracketPlan] = ()) -> Iterator[BracketPlan]:
    """The brackets that a search runs, known before any result.

    Args:
        search: The search.
        opened: Brackets that have been opened; the answer is what follows them.
    """
    budget = search.budget
    shapes: Iterator[Shape]
    if search.controller == "coarse_to_fine":
        shapes = coarse_to_fine_shapes(search.resource)
    elif search.controller == "hyperband":
        shapes = hyperband_shapes(search.resource)
    elif search.controller == "asha":
        plan = asha_plan(search.resource, budget)
        return iter([] if plan is None else [plan])
    elif search.controller == "random":
        shapes = full_resource_shapes(_RANDOM_BRACKET)
    else:
        size = _grid_size(search)
        shapes = full_resource_shapes(size)
        budget = Budget(size if budget.trials is None else min(size, budget.trials), budget.resource)
    return schedule(search.resource, islice(shapes, len(opened), None), budget.less(*opened))


def make_controller(search: Search) -> Controller:
    """The controller of a search, before its first decision."""
    (initial, design), learning = _begin(search), search.learning
    if search.controller == "asha":
        levels, trials = _ladder(search)
        ladder = Ladder(levels, search.resource.eta, trials)
        return AshaController(search.space, ladder, design, learning, initial)
    guide: Guide = DesignGuide(design)
    if learning is not None:
        guide = LearningGuide(search.space, design, learning, pipeline_of(search))
    if search.initial:
        guide = InitialGuide(initial, guide)
    return HalvingController(search.space, bracket_schedule(search), guide, search.grouping, initial)


def _ladder(search: Search) -> tuple[tuple[int, ...], float]:
    """The rungs of asynchronous halving, and how many trials it starts."""
    plan = asha_plan(search.resource, search.budget)
    if plan is None:
        return search.resource.levels(0), 0
    return plan.levels, inf if search.budget == Budget() else plan.trials


def rebudget(controller: Controller, search: Search) -> bool:
    """Goes on with another budget: the brackets that were opened stay, and those follow for which it is enough.

    The trials are those of a sweep that had this budget from the start, if its first brackets are those that were
    opened: all but the last one of a budget are whole.

    Args:
        controller: A controller that `make_controller` made.
        search: The search with the new budget, which is otherwise the one that the controller was made for.

    Returns:
        Whether it can: asynchronous halving has rungs that follow from the budget where that is small.
    """
    if isinstance(controller, AshaController):
        levels, trials = _ladder(search)
        if trials and levels != controller.levels:
            return False
        controller.limit(trials)
    elif isinstance(controller, HalvingController):
        controller.reschedule(bracket_schedule(search, controller.plans))
    return True


def retire(controller: Controller) -> None:
    """Lets a controller open no more brackets."""
    if isinstance(controller, AshaController):
        controller.limit(0)
    elif isinstance(controller, HalvingController):
        controller.reschedule(iter(()))


def pipeline_of(search: Search) -> int:
    """How far brackets run ahead of the results that they see.

    Where trials are trained together, two brackets of `coarse_to_fine` open at once, one of each kind: larger groups
    would gain less than is lost by what they do not see.
    """
    if search.pipeline is not None:
        return search.pipeline
    return PIPELINE if search.grouping.size == 1 else max(PIPELINE, search.resource.widest_kind + 1)


def _begin(search: Search) -> tuple[Initial, Design]:
    """The first trials, and the design from which the others come."""
    design = (uniform_design if search.controller == "random" else sobol_design)(search.space, search.seed)
    initial = complete(search.space, search.initial, design)
    if search.controller == "grid":
        return initial, GridDesign(search.space, search.points, initial.points)
    return initial, design


def _grid_size(search: Search) -> int:
    """Trials of a grid, with those that go before it."""
    initial = complete(search.space, search.initial, sobol_design(search.space, search.seed))
    return len(search.initial) + len(GridDesign(search.space, search.points, initial.points))
