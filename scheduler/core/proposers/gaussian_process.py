"""The Gaussian process: covariance over options and inactive hyperparameters, and its most likely parameters."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel, NormalizedKernelMixin

Floats = npt.NDArray[np.float64]

INACTIVE = -1.0
"""Stands for an inactive hyperparameter: its distance is 0 from itself and about 1 from every value."""


class MixedMatern(NormalizedKernelMixin, Kernel):  # type: ignore[misc]
    """Matern 5/2 (Rasmussen and Williams, 2006, eq. 4.17) with a length scale a column, over columns of two kinds.

    The squared distance of two points is the sum over columns of (difference / length scale)^2, where the difference of
    numbers in [0, 1] is their own, of options 0 or 1 as they are equal or not (Hamming), and of an inactive value from
    an option 1. From numbers an inactive value is as far as a point one off the middle of their line, because no point
    has one distance from all of a line: covariances by such distances would not be those of any process. Its gradient
    is part of `MarginalLikelihood`, which needs it for all parameters at once.

    Args:
        length_scale: float64 [d], above 0.
        options: Columns that hold options.
    """

    def __init__(self, length_scale: Floats, options: tuple[int, ...] = ()) -> None:
        self.length_scale, self.options = length_scale, options

    @property
    def hyperparameter_length_scale(self) -> Any:
        """The parameter that is fitted, with its bounds."""
        return Hyperparameter("length_scale", "numeric", (0.03, 100.0), len(self.length_scale))

    def is_stationary(self) -> bool:
        """True where it depends on the difference of two points only: not where some are inactive."""
        return False

    def __call__(self, X: Floats, Y: Floats | None = None, eval_gradient: bool = False) -> Floats:  # noqa: N803
        """The covariances, float64 [n, m].

        Args:
            X: float64 [n, d].
            Y: float64 [m, d]; X if None.
            eval_gradient: Part of the interface; must be false.
        """
        assert not eval_gradient, "the gradient is that of the marginal likelihood"
        other, scale = X if Y is None else Y, np.asarray(self.length_scale)
        if not self.options and X.min(initial=0.0) >= 0 and other.min(initial=0.0) >= 0:
            return matern(cdist(X / scale, other / scale, "sqeuclidean"))[0]
        return matern(squared_differences(X, other, self.options) @ (1 / scale**2))[0]


def matern(squared: Floats) -> tuple[Floats, Floats]:
    """The covariance at squared distances, and minus twice its derivative by these."""
    root = np.sqrt(5 * squared)
    decay = np.exp(-root)
    return (1 + root + root**2 / 3) * decay, 5 / 3 * (1 + root) * decay


def squared_differences(x: Floats, y: Floats, options: tuple[int, ...]) -> Floats:
    """The squared differences of n and m points in each column, float64 [n, m, d]."""
    parts: Floats = (x[:, None, :] - y[None, :, :]) ** 2
    parts[:, :, options] = parts[:, :, options] > 0
    off_x, off_y = x == INACTIVE, y == INACTIVE
    if off_x.any() or off_y.any():
        differ = off_x[:, None, :] != off_y[None, :, :]
        both = off_x[:, None, :] & off_y[None, :, :]
        from_middle = np.where(off_x[:, None, :], y[None, :, :], x[:, None, :]) - 0.5
        from_middle[:, :, options] = 0.0
        parts = np.where(differ, 1.0 + from_middle**2, np.where(both, 0.0, parts))
    return parts


NOISE = 0.02
"""The centre of the prior of the noise's variance; the variance of all observed values together is 1."""
_JITTER = 1e-8
_STOP = {"maxiter": 40, "ftol": 1e-6}


class MarginalLikelihood:
    """The marginal likelihood of n observations under the parameters of a process, times their prior.

    The parameters are logs: of the variance, of the d length scales of a `MixedMatern`, and of the noise's variance.
    The median of the length scales grows with the root of the dimension as in Hvarfner et al., "Vanilla Bayesian
    optimization performs great in high dimensions" (ICML 2024), but it is shorter and the prior narrower.

    scikit-learn has the same objective without a prior; it holds the gradient of all n x n covariances by each
    parameter at once and takes five times as long for 200 observations.

    Args:
        features: float64 [n, d].
        targets: float64 [n], of mean 0.
        options: Columns that hold options.
    """

    def __init__(self, features: Floats, targets: Floats, options: tuple[int, ...]) -> None:
        self._parts = squared_differences(features, features, options).reshape(-1, features.shape[1])
        self._targets = targets

    def __call__(self, logs: Floats) -> tuple[float, Floats]:
        """Minus the log of the posterior up to a constant, and its gradient, float64 [d + 2]."""
        value, slope = self._likelihood(logs)
        far = logs[1:-1] - 0.5 * np.log(len(logs) - 2)
        noisy = (logs[-1] - np.log(NOISE)) / 1.5
        slope[1:-1] += far
        slope[-1] += noisy / 1.5
        return value + 0.5 * float(far @ far) + 0.5 * float(noisy**2), slope

    def most_likely(self, start: Floats, bounds: Floats) -> tuple[Floats, float]:
        """The parameters of the largest posterior near a start, and minus its log.

        Args:
            start: float64 [d + 2].
            bounds: float64 [d + 2, 2].
        """
        found = minimize(self, start, jac=True, method="L-BFGS-B", bounds=bounds, options=_STOP)
        return found.x, found.fun

    def _likelihood(self, logs: Floats) -> tuple[float, Floats]:
        """Minus the log marginal likelihood and its gradient (Rasmussen and Williams, 2006, eq. 2.30 and 5.9)."""
        n = len(self._targets)
        variance, weights, noise = np.exp(logs[0]), np.exp(-2 * logs[1:-1]), np.exp(logs[-1])
        correlation, slope = (part.reshape(n, n) for part in matern(self._parts @ weights))
        factor = cho_factor(variance * correlation + (noise + _JITTER) * np.eye(n), lower=True)
        solved = cho_solve(factor, self._targets)
        value = 0.5 * self._targets @ solved + np.log(np.diag(factor[0])).sum()
        inner = cho_solve(factor, np.eye(n)) - np.outer(solved, solved)
        by_scale = ((inner * slope).ravel() @ self._parts) * weights * variance
        gradient = [variance * np.vdot(inner, correlation), *by_scale, noise * np.trace(inner)]
        return float(value), 0.5 * np.array(gradient)
