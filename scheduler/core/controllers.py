"""The controllers by name: which brackets each runs and where their trials come from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ...search_spaces import SearchSpace
from .grouping import ALONE, Grouping
from .halving import HalvingController
from .proposer import GridProposer, Proposer, sobol_proposer, uniform_proposer
from .schedule import (
    BracketPlan,
    Budget,
    Resource,
    Shape,
    coarse_to_fine_shapes,
    full_resource_shapes,
    hyperband_shapes,
    schedule,
)

ControllerName = Literal["coarse_to_fine", "hyperband", "random", "grid"]

_RANDOM_BRACKET = 64
"""Trials that random search draws at a time; a number of convenience, since nothing is compared."""


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
        pipeline: Brackets that `coarse_to_fine` has in flight at most, at least 1; None opens one whenever a worker is
            free, which costs nothing as long as its points do not depend on results.
        points: Grid points of each continuous hyperparameter, at least 1.
        grouping: Which trials are trained together.
    """

    space: SearchSpace
    resource: Resource
    budget: Budget
    seed: int
    controller: ControllerName = "coarse_to_fine"
    pipeline: int | None = None
    points: int = GRID_POINTS
    grouping: Grouping = ALONE


def bracket_schedule(search: Search) -> Iterator[BracketPlan]:
    """The brackets that a search runs, known before any result."""
    budget = search.budget
    shapes: Iterator[Shape]
    if search.controller == "coarse_to_fine":
        shapes = coarse_to_fine_shapes(search.resource)
    elif search.controller == "hyperband":
        shapes = hyperband_shapes(search.resource)
    elif search.controller == "random":
        shapes = full_resource_shapes(_RANDOM_BRACKET)
    else:
        size = len(GridProposer(search.space, search.points))
        shapes = full_resource_shapes(size)
        budget = Budget(size if budget.trials is None else min(size, budget.trials), budget.resource)
    return schedule(search.resource, shapes, budget)


def make_controller(search: Search) -> HalvingController:
    """The controller of a search, before its first decision."""
    pipeline = search.pipeline if search.controller == "coarse_to_fine" else None
    return HalvingController(search.space, bracket_schedule(search), _proposer(search), pipeline, search.grouping)


def _proposer(search: Search) -> Proposer:
    if search.controller == "grid":
        return GridProposer(search.space, search.points)
    if search.controller == "random":
        return uniform_proposer(search.space, search.seed)
    return sobol_proposer(search.space, search.seed)
