"""The covariance of results at two points of a search space that may have options and inactive hyperparameters."""

from typing import Any

import numpy as np
import numpy.typing as npt
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
    is part of `Evidence`, which needs it for all parameters at once.

    Args:
        length_scale: float64 [d], above 0.
        options: Columns that hold options.
    """

    def __init__(self, length_scale: Floats, options: tuple[int, ...] = ()) -> None:
        self.length_scale, self.options = length_scale, options

    @property
    def hyperparameter_length_scale(self) -> Any:
        """What is fitted, with its bounds."""
        return Hyperparameter("length_scale", "numeric", (0.03, 100.0), len(self.length_scale))

    def is_stationary(self) -> bool:
        """Whether it depends on the difference of two points only: not where some are inactive."""
        return False

    def __call__(self, X: Floats, Y: Floats | None = None, eval_gradient: bool = False) -> Floats:  # noqa: N803
        """The covariances, float64 [n, m].

        Args:
            X: float64 [n, d].
            Y: float64 [m, d]; X if None.
            eval_gradient: Part of the interface; must be false.
        """
        assert not eval_gradient, "the gradient is that of the evidence"
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
