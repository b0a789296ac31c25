"""Proposers: where in the unit cube a bracket's trials lie.

A proposer sees the brackets that lie far enough back to be finished in every run (`pipeline` places), never the clock
or the workers, so its proposals are a function of the spec, the seed and those results.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ...search_spaces import SearchSpace
from ...search_spaces.designs import feasible_points, grid, sobol, uniform
from .bracket import Bracket

Points = npt.NDArray[np.float64]


class Proposer(Protocol):
    """Chooses the points of one bracket after the other, in the order of their numbers."""

    def propose(self, n: int, earlier: Sequence[Bracket]) -> Points:
        """The next bracket's points.

        Args:
            n: Trials of the bracket, at least 1.
            earlier: The finished brackets that it may look at, in order.

        Returns:
            float64 [n, d] points in the unit cube.
        """


class DesignProposer:
    """The feasible points of an endless design, whatever the results are.

    Args:
        space: The search space.
        draw: `draw(n, start)` returns the design's points start to start + n - 1, float64 [n, d].
    """

    def __init__(self, space: SearchSpace, draw: Callable[[int, int], Points]) -> None:
        self._space, self._draw, self._start = space, draw, 0

    def propose(self, n: int, earlier: Sequence[Bracket]) -> Points:
        """The next n feasible points."""
        points, self._start = feasible_points(self._space, n, self._draw, self._start)
        return points


def sobol_proposer(space: SearchSpace, seed: int) -> DesignProposer:
    """Scrambled Sobol points (Owen, JCAM 1998) that go on from bracket to bracket."""
    return DesignProposer(space, lambda n, start: sobol(n, space.dimensions, seed, start))


def uniform_proposer(space: SearchSpace, seed: int) -> DesignProposer:
    """Independent uniform points: random search (Bergstra and Bengio, JMLR 13 (2012))."""
    return DesignProposer(space, lambda n, start: uniform(n, space.dimensions, seed, start))


class GridProposer:
    """Every feasible point of a grid, once, in the grid's order.

    Args:
        space: The search space.
        points: Grid points of each continuous hyperparameter, at least 1.

    Raises:
        InvalidSpaceError: The grid has more than a million points, or no feasible one.
    """

    def __init__(self, space: SearchSpace, points: int) -> None:
        self._points = grid(space, points)
        self._start = 0

    def __len__(self) -> int:
        return len(self._points)

    def propose(self, n: int, earlier: Sequence[Bracket]) -> Points:
        """The grid's next n points; the schedule asks for no more than there are."""
        points = self._points[self._start : self._start + n]
        self._start += len(points)
        return points
