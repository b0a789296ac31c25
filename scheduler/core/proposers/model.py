"""A proposer of the points that a model of all results so far expects to improve most."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from ....search_spaces import Choice, SearchSpace
from .proposal import Insight, Points, Proposal, Request
from .region import Region, changes
from .sensitivity import sensitivity
from .surrogate import Posterior, Surrogate

Floats = npt.NDArray[np.float64]


def expected_improvement(mean: Floats, variance: Floats, best: float) -> Floats:
    """By how much each point is expected to be below the best score (Jones et al., J. Global Optim. 13, 1998)."""
    deviation = np.sqrt(variance)
    z = (best - mean) / deviation
    improvement: Floats = deviation * (z * ndtr(z) + np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi))
    return improvement


class KrigingBeliever:
    """Chooses candidates one after the other, each as if those before had turned out as expected.

    Believing in a result leaves the mean where it is and makes what is near certain ("kriging believer", Ginsbourger et
    al. 2010), so the points of a batch keep their distance from each other and from those that are pending.

    Args:
        surrogate: The model.
        posterior: Its posterior at the candidates and, after them, at the pending points.
        best: The score to improve on.
        pending: Number of points at the end of `posterior` that are pending.
    """

    def __init__(self, surrogate: Surrogate, posterior: Posterior, best: float, pending: int = 0) -> None:
        self._surrogate, self._posterior, self._best = surrogate, posterior, best
        self._variance = posterior.variance.copy()
        self._free = np.arange(len(posterior.mean)) < len(posterior.mean) - pending
        self._learnt: list[Floats] = []
        """The shift of every other point by each point that is assumed: float64 [m]."""
        for row in np.flatnonzero(~self._free):
            self._assume(int(row))

    def choose(self, n: int) -> npt.NDArray[np.int64]:
        """The rows of at most n candidates, each once."""
        rows: list[int] = []
        for _ in range(min(n, int(np.count_nonzero(self._free)))):
            gain = expected_improvement(self._posterior.mean, self._variance, self._best)
            rows.append(int(np.argmax(np.where(self._free, gain, -np.inf))))
            self._free[rows[-1]] = False
            self._assume(rows[-1])
        return np.array(rows, np.int64)

    def _assume(self, row: int) -> None:
        """Takes a point's result for what is expected of it."""
        shared = self._surrogate.covariance(self._posterior, self._posterior.take(np.array([row])))[:, 0]
        for learnt in self._learnt:
            shared -= learnt * learnt[row]
        learnt = shared / np.sqrt(max(shared[row], 1e-10) + self._surrogate.noise)
        self._learnt.append(learnt)
        self._variance = np.maximum(self._variance - learnt**2, 1e-10)


def likely_optima(
    surrogate: Surrogate, posterior: Posterior, draws: int, random: np.random.Generator
) -> npt.NDArray[np.int64]:
    """The rows of the points that are best in draws from the posterior of all of them together; one a draw.

    How often a point is drawn is its probability of being the optimum (Thompson sampling).
    """
    joint = surrogate.covariance(posterior, posterior)
    values = posterior.mean[:, None] + _root(joint) @ random.standard_normal((len(joint), draws))
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


_BEST = 10
"""Number of tried points that are looked around."""
_AMONG = 400
"""Candidates among which the optimum is drawn, beside the points that were tried."""
_DRAWS = 100


@dataclass(frozen=True, slots=True)
class ModelProposer:
    """The points of the largest expected improvement, by a `Surrogate`.

    Attributes:
        space: The search space.
        full: The full resource, in steps.
        seed: The sweep's seed.
        candidates: The source of the points; anywhere in the space if None.
    """

    space: SearchSpace
    full: int
    seed: int
    candidates: Candidates | None = None

    def propose(self, request: Request) -> Proposal:
        """As many points as are asked for, or all candidates where those are fewer."""
        random = np.random.default_rng([self.seed, request.number])
        surrogate = Surrogate(self.space, request.observations, self.full, random)
        tried = _distinct(surrogate.observations.points)
        tried_posterior = surrogate.posterior(tried)
        best = tried[np.argsort(tried_posterior.mean, kind="stable")[:_BEST]]
        candidates = (self.candidates or SpaceCandidates(self.space))(best, random)
        candidates = _new(candidates, request.known)
        posterior = surrogate.posterior(np.concatenate([candidates, request.pending]))
        believer = KrigingBeliever(surrogate, posterior, float(tried_posterior.mean.min()), len(request.pending))
        points = candidates[believer.choose(request.n)]
        among = np.concatenate([candidates[random.permutation(len(candidates))[:_AMONG]], tried])
        optima = among[likely_optima(surrogate, surrogate.posterior(among), _DRAWS, random)]
        return Proposal(request.number, points, self._insight(request, surrogate, optima))

    def _insight(self, request: Request, surrogate: Surrogate, optima: Points) -> Insight:
        """The region of the likely optima, what changed, and what matters."""
        region = Region.holding(self.space, optima)
        change = changes(self.space, request.region or Region.whole(self.space), region)
        reason = f"{change}: the likely optima by {len(request.observations):,} results"
        shares = sensitivity(self.space, lambda points: surrogate.posterior(points).mean)
        return Insight(region, reason, shares)


def _new(candidates: Points, known: Points) -> Points:
    """The candidates that are not known, each once: in a small space the best is soon among them again."""
    seen = {point.tobytes() for point in known}
    rows = {point.tobytes(): row for row, point in enumerate(candidates)}
    return candidates[[row for key, row in rows.items() if key not in seen]]


def _distinct(points: Points) -> Points:
    """Each point once."""
    rows: npt.NDArray[np.int64] = np.unique(np.nan_to_num(points, nan=-1.0), axis=0, return_index=True)[1]
    return points[np.sort(rows)]
