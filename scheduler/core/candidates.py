"""Where a proposer looks for its points: all over the space, and around the best that is known."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ...search_spaces import Choice, SearchSpace

Floats = npt.NDArray[np.float64]
Candidates = Callable[[Floats, np.random.Generator], Floats]
"""`candidates(best, random)`: points of the unit cube to choose among, given the best known, float64 [k, d]."""

_GLOBAL = 2000
_EACH = 30
"""Points around each of the best, at each distance."""
_DISTANCES = (0.2, 0.05, 0.02)


class SpaceCandidates:
    """Feasible points of a search space, most of them anywhere, the others near the best that are known.

    Args:
        space: The search space.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._options = np.array([isinstance(domain, Choice) for domain in space.varying.values()], np.bool_)

    def __call__(self, best: Floats, random: np.random.Generator) -> Floats:
        """The points, float64 [m, d], snapped to the values of their domains; none breaks a constraint."""
        anywhere = random.random((_GLOBAL, self._space.dimensions))
        near = [self._near(best, distance, random) for distance in _DISTANCES]
        points = self._space.snap(np.concatenate([anywhere, *near]))
        return points[self._space.feasible(points)]

    def _near(self, best: Floats, distance: float, random: np.random.Generator) -> Floats:
        """Copies of the best in which about half of the hyperparameters are changed."""
        copies = np.repeat(best, _EACH, axis=0)
        elsewhere = random.random(copies.shape)
        moved = np.where(self._options, elsewhere, copies + distance * random.standard_normal(copies.shape))
        changed = (random.random(copies.shape) < 0.5) | np.isnan(copies)
        # What was inactive may be active beside an option that was changed, and then needs a value.
        return np.clip(np.where(changed, np.where(np.isnan(copies), elsewhere, moved), copies), 0.0, 1.0)
