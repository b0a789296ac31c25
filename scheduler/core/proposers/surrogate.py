"""A model of the metric over the search space and the resource, fitted to the results of all rungs.

A Gaussian process over (unit cube, log resource): Swersky et al., "Freeze-thaw Bayesian optimization" (2014) and Klein
et al., "Fast Bayesian optimization of machine learning hyperparameters" (AISTATS 2017) have the resource as an input
too.
Losses are taken by their ranks, mapped to a normal distribution: a diverged run, an outlier or a loss over ten decades
is then no more than the worst of them, and a plateau is one value.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular
from scipy.special import ndtri
from scipy.stats import rankdata
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, WhiteKernel

from ....search_spaces import Choice, SearchSpace
from .gaussian_process import INACTIVE, NOISE, MarginalLikelihood, MixedMatern
from .observations import Observations

Floats = npt.NDArray[np.float64]

_MOST = 200
"""Results that a model is fitted to at most: its cost grows with their cube."""


def normal_scores(losses: Floats) -> Floats:
    """Losses as normal quantiles of their ranks, small for small losses; equal ones share one, so do infinite ones."""
    ranks = rankdata(np.where(np.isfinite(losses), losses, np.inf))
    quantiles: Floats = ndtri((ranks - 0.5) / len(losses))
    return quantiles


def chosen_rows(losses: Floats, most: int, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """At most so many rows: the best half of them, and as many of the others at random."""
    if len(losses) <= most:
        return np.arange(len(losses))
    order = np.argsort(losses, kind="stable")
    best, rest = order[: most // 2], order[most // 2 :]
    rows: npt.NDArray[np.int64] = np.sort(np.append(best, random.choice(rest, most - len(best), replace=False)))
    return rows


@dataclass(frozen=True, slots=True)
class Posterior:
    """The posterior of the score at n points with the full resource.

    Attributes:
        features: float64 [n, d + 1], the points as the model sees them.
        mean: float64 [n].
        variance: float64 [n], above 0.
        whitened: float64 [m, n], from which the covariance of two points follows.
    """

    features: Floats
    mean: Floats
    variance: Floats
    whitened: Floats

    def take(self, rows: npt.NDArray[np.int64]) -> "Posterior":
        """The posterior at some of the points."""
        return Posterior(self.features[rows], self.mean[rows], self.variance[rows], self.whitened[:, rows])


class Surrogate:
    """The fitted model.

    Args:
        space: The search space.
        observations: Results, at least one of them finite.
        full: The full resource, in steps.
        random: From which the choice among many results follows.

    Attributes:
        observations: The results that it is fitted to.
        noise: The variance of a score around what the configuration and the resource explain.
    """

    def __init__(self, space: SearchSpace, observations: Observations, full: int, random: np.random.Generator) -> None:
        self._full = full
        options = tuple(column for column, domain in enumerate(space.varying.values()) if isinstance(domain, Choice))
        self.observations = observations.take(chosen_rows(observations.loss, _MOST, random))
        self._features = self._encode(self.observations.points, self.observations.resource)
        targets = normal_scores(self.observations.loss)
        self._offset = float(targets.mean())
        self._process = _fitted(self._features, targets - self._offset, options)
        self._kernel, noise = self._process.kernel_.k1, self._process.kernel_.k2
        self.noise = float(noise.noise_level)

    def posterior(self, points: Floats) -> Posterior:
        """The posterior at points of the unit cube, float64 [n, d], and the full resource."""
        features = self._encode(points, np.full(len(points), self._full))
        covariance = self._kernel(features, self._features)
        mean = covariance @ self._process.alpha_ + self._offset
        whitened = solve_triangular(self._process.L_, covariance.T, lower=True, check_finite=False)
        variance = self._kernel.diag(features) - np.einsum("ij,ij->j", whitened, whitened)
        return Posterior(features, mean, np.maximum(variance, 1e-10), whitened)

    def covariance(self, first: Posterior, second: Posterior) -> Floats:
        """The covariances of the scores of n and of m points, float64 [n, m]."""
        prior: Floats = self._kernel(first.features, second.features)
        explained: Floats = first.whitened.T @ second.whitened
        return prior - explained

    def _encode(self, points: Floats, resource: npt.NDArray[np.int64]) -> Floats:
        """The columns that the kernel sees: the unit cube, and the log of the resource, 1 where it is full."""
        level = np.log(resource) / max(np.log(self._full), 1.0)
        return np.column_stack([np.where(np.isnan(points), INACTIVE, points), level])


def _fitted(features: Floats, targets: Floats, options: tuple[int, ...]) -> GaussianProcessRegressor:
    """The most likely process, found from one start: the same results give the same model."""
    columns = features.shape[1]
    kernel = ConstantKernel(1.0, (0.05, 20.0)) * MixedMatern(np.full(columns, 0.2 * np.sqrt(columns)), options)
    kernel += WhiteKernel(NOISE, (1e-4, 1.0))
    likelihood = MarginalLikelihood(features, targets, options)
    process = GaussianProcessRegressor(
        kernel, alpha=1e-8, optimizer=lambda _, start, bounds: likelihood.most_likely(start, bounds)
    )
    with warnings.catch_warnings():
        # A length scale at its bound is a hyperparameter that does not matter, which is no reason to warn.
        warnings.simplefilter("ignore")
        return process.fit(features, targets)
