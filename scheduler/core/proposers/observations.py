"""The results of trials at their rungs, in columns: what a model of the search space learns from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Observations:
    """Results of trials at rungs, as columns of one length n.

    Attributes:
        points: float64 [n, d], the trials in the unit cube; NaN where a hyperparameter is inactive.
        resource: int64 [n], the resource at the rung, in steps.
        loss: float64 [n], the best up to the rung, to be minimised; infinite where the trial diverged or failed.
    """

    points: npt.NDArray[np.float64]
    resource: npt.NDArray[np.int64]
    loss: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.loss)

    @property
    def finite(self) -> int:
        """Results that are numbers."""
        return int(np.count_nonzero(np.isfinite(self.loss)))

    @classmethod
    def empty(cls, dimensions: int) -> "Observations":
        """No results."""
        return cls(np.empty((0, dimensions)), np.empty(0, np.int64), np.empty(0))

    @classmethod
    def concatenate(cls, parts: Sequence["Observations"]) -> "Observations":
        """All results in order; at least one part."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.points for part in parts]),
            np.concatenate([part.resource for part in parts]),
            np.concatenate([part.loss for part in parts]),
        )

    def take(self, rows: npt.NDArray[np.int64]) -> "Observations":
        """The results in some rows."""
        return Observations(self.points[rows], self.resource[rows], self.loss[rows])
