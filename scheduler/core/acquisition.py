"""Which of many candidates to try: those whose result with the full resource is expected to improve most."""

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from .surrogate import Belief, Surrogate

Floats = npt.NDArray[np.float64]


def expected_improvement(mean: Floats, variance: Floats, best: float) -> Floats:
    """By how much each point is expected to be below the best score (Jones et al., J. Global Optim. 13, 1998)."""
    deviation = np.sqrt(variance)
    z = (best - mean) / deviation
    improvement: Floats = deviation * (z * ndtr(z) + np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi))
    return improvement


class Batch:
    """Chooses candidates one after the other, each as if those before had turned out as expected.

    Believing in a result leaves the mean where it is and makes what is near certain ("kriging believer", Ginsbourger et
    al. 2010), so the points of a batch keep their distance from each other and from those that are pending.

    Args:
        surrogate: The model.
        belief: What it believes of the candidates and, after them, of the pending points.
        best: The score to improve on.
        pending: How many points at the end of `belief` are pending.
    """

    def __init__(self, surrogate: Surrogate, belief: Belief, best: float, pending: int = 0) -> None:
        self._surrogate, self._belief, self._best = surrogate, belief, best
        self._variance = belief.variance.copy()
        self._free = np.arange(len(belief.mean)) < len(belief.mean) - pending
        self._learnt: list[Floats] = []
        """Of each point that is assumed, how it moves every other: float64 [m]."""
        for row in np.flatnonzero(~self._free):
            self._assume(int(row))

    def choose(self, n: int) -> npt.NDArray[np.int64]:
        """The rows of at most n candidates, each once."""
        rows: list[int] = []
        for _ in range(min(n, int(np.count_nonzero(self._free)))):
            gain = expected_improvement(self._belief.mean, self._variance, self._best)
            rows.append(int(np.argmax(np.where(self._free, gain, -np.inf))))
            self._free[rows[-1]] = False
            self._assume(rows[-1])
        return np.array(rows, np.int64)

    def _assume(self, row: int) -> None:
        """Takes a point's result for what is expected of it."""
        shared = self._surrogate.covariance(self._belief, self._belief.take(np.array([row])))[:, 0]
        for learnt in self._learnt:
            shared -= learnt * learnt[row]
        learnt = shared / np.sqrt(max(shared[row], 1e-10) + self._surrogate.noise)
        self._learnt.append(learnt)
        self._variance = np.maximum(self._variance - learnt**2, 1e-10)


def likely_optima(
    surrogate: Surrogate, belief: Belief, draws: int, random: np.random.Generator
) -> npt.NDArray[np.int64]:
    """The rows of the points that are best in draws from what is believed of all of them together; one a draw.

    How often a point is drawn is its probability of being the optimum (Thompson sampling).
    """
    joint = surrogate.covariance(belief, belief)
    values = belief.mean[:, None] + _root(joint) @ random.standard_normal((len(joint), draws))
    rows: npt.NDArray[np.int64] = np.argmin(values, axis=0)
    return rows


def _root(covariance: Floats) -> Floats:
    """A matrix that times its transpose is the covariance, which rounding may have made indefinite."""
    root: Floats
    try:
        root = np.asarray(np.linalg.cholesky(covariance + 1e-6 * np.eye(len(covariance))), np.float64)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
    return root
