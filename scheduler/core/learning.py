"""How proposals follow from results: when there are enough of them, and what stays independent of them."""

from dataclasses import dataclass

from .observations import Observations

_ENOUGH = 10


def enough_results(dimensions: int) -> int:
    """Results from which a model is made: 10, or twice the number of hyperparameters where that is more."""
    return max(_ENOUGH, 2 * dimensions)


@dataclass(frozen=True, slots=True)
class Learning:
    """What a controller that learns needs to know.

    Attributes:
        explore: The share of all trials that stays global, so that no zoom is a trap; in [0, 1].
        prior: Results of earlier sweeps.
        enough: Finite results from which proposals are made, at least 1.
    """

    explore: float
    prior: Observations
    enough: int

    def global_count(self, first: int, n: int) -> int:
        """How many of n trials from number `first` are global: the share of all up to the last, less those before."""
        return int((first + n) * self.explore) - int(first * self.explore)
