"""Proposes where a model of all results so far expects the best result with the full resource."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...search_spaces import SearchSpace
from .acquisition import Batch, likely_optima
from .candidates import Candidates, SpaceCandidates
from .importance import total_effects
from .proposal import Insight, Points, Proposal, Request
from .region import Region, changes
from .surrogate import Surrogate

_BEST = 10
"""Of the points that were tried, how many are looked around."""
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
        candidates: Where the points come from; anywhere in the space if None.
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
        tried_belief = surrogate.believe(tried)
        best = tried[np.argsort(tried_belief.mean, kind="stable")[:_BEST]]
        candidates = (self.candidates or SpaceCandidates(self.space))(best, random)
        candidates = _new(candidates, request.known)
        belief = surrogate.believe(np.concatenate([candidates, request.pending]))
        batch = Batch(surrogate, belief, float(tried_belief.mean.min()), len(request.pending))
        points = candidates[batch.choose(request.n)]
        among = np.concatenate([candidates[random.permutation(len(candidates))[:_AMONG]], tried])
        optima = among[likely_optima(surrogate, surrogate.believe(among), _DRAWS, random)]
        return Proposal(request.number, points, self._insight(request, surrogate, optima))

    def _insight(self, request: Request, surrogate: Surrogate, optima: Points) -> Insight:
        """Where the likely optima are, what changed, and what matters."""
        region = Region.holding(self.space, optima)
        change = changes(self.space, request.region or Region.whole(self.space), region)
        reason = f"{change}: the likely optima by {len(request.observations):,} results"
        shares = total_effects(self.space, lambda points: surrogate.believe(points).mean)
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
