"""Where the optimum may be, drawn from what is believed."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from caviar.scheduler.core.proposers.model import likely_optima
from caviar.scheduler.core.proposers.surrogate import Posterior


class Certain:
    """A surrogate that believes in one covariance."""

    def __init__(self, covariance: npt.NDArray[np.float64]) -> None:
        self._covariance = covariance

    def covariance(self, first: Posterior, second: Posterior) -> npt.NDArray[np.float64]:
        return self._covariance


@pytest.mark.parametrize("least", [1e-4, -1e-4], ids=["as it should be", "made indefinite by rounding"])
def test_the_point_of_the_lowest_mean_is_the_likely_optimum_where_little_is_open(least: float) -> None:
    vectors = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))[0]
    surrogate: Any = Certain(vectors @ np.diag([1e-3, 1e-3, 1e-4, 1e-4, least]) @ vectors.T)
    mean = np.array([2.0, 1.0, -1.0, 3.0, 2.0])
    posterior = Posterior(np.zeros((5, 1)), mean, np.full(5, 1e-3), np.zeros((1, 5)))
    assert set(likely_optima(surrogate, posterior, 50, np.random.default_rng(1))) == {2}
