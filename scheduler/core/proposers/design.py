"""Designs: where trials lie in the unit cube as long as no result says where to look."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from ....search_spaces import SearchSpace
from ....search_spaces.designs import feasible_points, grid, sobol, uniform
from .proposal import Points


class Design(Protocol):
    """A sequence of points that depends on the spec and the seed alone."""

    def draw(self, n: int) -> Points:
        """The next n points of the sequence, at least 1; float64 [n, d] in the unit cube."""


class EndlessDesign:
    """The feasible points of an endless sequence.

    Args:
        space: The search space.
        points: `points(n, start)` returns the sequence's points start to start + n - 1, float64 [n, d].
    """

    def __init__(self, space: SearchSpace, points: Callable[[int, int], Points]) -> None:
        self._space, self._points, self._start = space, points, 0

    def draw(self, n: int) -> Points:
        """The next n feasible points."""
        points, self._start = feasible_points(self._space, n, self._points, self._start)
        return points


def sobol_design(space: SearchSpace, seed: int) -> EndlessDesign:
    """Scrambled Sobol points (Owen, JCAM 1998)."""
    return EndlessDesign(space, lambda n, start: sobol(n, space.dimensions, seed, start))


def uniform_design(space: SearchSpace, seed: int) -> EndlessDesign:
    """Independent uniform points: random search (Bergstra and Bengio, JMLR 13 (2012))."""
    return EndlessDesign(space, lambda n, start: uniform(n, space.dimensions, seed, start))


class GridDesign:
    """Every feasible point of a grid, once, in the grid's order.

    Args:
        space: The search space.
        points: Grid points of each continuous hyperparameter, at least 1.
        tried: Points that are left out of the grid, float64 [n, d].

    Raises:
        InvalidSpaceError: The grid has more than a million points, or no feasible one.
    """

    def __init__(self, space: SearchSpace, points: int, tried: Points | None = None) -> None:
        self._points = grid(space, points)
        self._start = 0
        if tried is not None and len(tried):
            snapped = space.snap(self._points)
            equal = [np.isclose(snapped, point, rtol=0, equal_nan=True).all(axis=1) for point in space.snap(tried)]
            self._points = self._points[~np.any(equal, axis=0)]

    def __len__(self) -> int:
        return len(self._points)

    def draw(self, n: int) -> Points:
        """The grid's next n points; the schedule asks for no more than there are."""
        points = self._points[self._start : self._start + n]
        self._start += len(points)
        return points
