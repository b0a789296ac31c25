"""Exponentially weighted averages with bias correction, of a whole curve or value by value.

The average of x_1 … x_t is v_t = beta v_(t-1) + (1 - beta) x_t with v_0 = 0, which is too near 0 while t is small;
v_t / (1 - beta^t) is not (Kingma and Ba 2015, arXiv:1412.6980, section 3). About the last 1 / (1 - beta) values count.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import lfilter

from ...errors import TrainerError


def exponentially_weighted_average(values: ArrayLike, beta: float, bias_correction: bool = True) -> NDArray[np.float64]:
    """The average after each value.

    Args:
        values: [n, ...], averaged along the first axis. No average from a NaN or an infinite value on is finite; leave
            such values out to pass over them.
        beta: The weight of the past, from 0 to below 1.
        bias_correction: False for v_t itself.

    Returns:
        [n, ...]

    Raises:
        TrainerError: `beta` is out of range, or `values` is a single number.
    """
    _check_beta(beta)
    array: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    if array.ndim == 0:
        raise TrainerError(f"the values to average are {values!r}: they have to be an array of [n, ...]")
    averages: NDArray[np.float64] = np.zeros_like(array)
    if array.size:
        averages[...] = lfilter([1 - beta], [1, -beta], array, axis=0)
    if bias_correction:
        steps = np.arange(1.0, len(array) + 1).reshape(-1, *[1] * (array.ndim - 1))
        np.divide(averages, 1 - np.power(beta, steps), out=averages)
    return averages


class ExponentiallyWeightedAverage:
    """The same average, one value at a time. `trial.track` can save it."""

    def __init__(self, beta: float, bias_correction: bool = True) -> None:
        """An average of nothing yet.

        Args:
            beta: The weight of the past, from 0 to below 1.
            bias_correction: False for v_t itself.

        Raises:
            TrainerError: `beta` is out of range.
        """
        _check_beta(beta)
        self._beta = beta
        self._bias_correction = bias_correction
        self._sum = 0.0
        self._count = 0

    @property
    def value(self) -> float:
        """The average of all values so far; NaN before the first, and for ever after one that is NaN."""
        if not self._count:
            return float("nan")
        return self._sum / (1 - self._beta**self._count) if self._bias_correction else self._sum

    def update(self, value: float) -> float:
        """Takes the next value and returns the average."""
        self._sum = self._beta * self._sum + (1 - self._beta) * float(value)
        self._count += 1
        return self.value

    def state_dict(self) -> dict[str, Any]:
        """The weighted sum and the number of values; not the settings."""
        return {"sum": self._sum, "count": self._count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from what `state_dict` returned."""
        self._sum, self._count = state["sum"], state["count"]


def _check_beta(beta: float) -> None:
    if not 0 <= beta < 1:
        raise TrainerError(f"beta of an exponentially weighted average is {beta!r}: it has to be from 0 to below 1")
