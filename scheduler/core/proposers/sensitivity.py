"""The importance of each hyperparameter, by a model of the metric."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ....search_spaces import SearchSpace
from ....search_spaces.designs import sobol

Floats = npt.NDArray[np.float64]

_SAMPLES = 256


def sensitivity(space: SearchSpace, predict: Callable[[Floats], Floats]) -> dict[str, float]:
    """The total effect of each hyperparameter that is not constant, as shares of 1.

    The total effect (Homma and Saltelli 1996, by the estimator of Jansen 1999) is the mean square by which a prediction
    changes when this hyperparameter alone is drawn anew: alone and with all of its interactions. All are 0 where the
    prediction is the same everywhere.

    Args:
        space: The search space.
        predict: `predict(points)` gives a number for each point of the unit cube, float64 [n, d].
    """
    names = list(space.varying)
    drawn = sobol(_SAMPLES, 2 * len(names), seed=0)
    first, second = drawn[:, : len(names)], drawn[:, len(names) :]
    changed = [first.copy() for _ in names]
    for column, points in enumerate(changed):
        points[:, column] = second[:, column]
    before, *after = np.split(predict(space.snap(np.concatenate([first, *changed]))), len(names) + 1)
    effects = np.array([np.mean((values - before) ** 2) for values in after])
    shares = effects / effects.sum() if effects.sum() > 1e-12 else np.zeros(len(names))
    return dict(zip(names, shares.tolist(), strict=True))
