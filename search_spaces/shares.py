"""Equal shares of [0, 1]: how a domain of finitely many values lies in the unit cube."""

import numpy as np
import numpy.typing as npt

from .values import Units


def position_in(unit: Units, size: int) -> npt.NDArray[np.int64]:
    """The share that each number lies in: floor(unit * size), with 1 in the last share. Positions from 0."""
    return np.minimum(np.clip(unit, 0.0, 1.0) * size, size - 1).astype(np.int64)


def middle_of(position: npt.NDArray[np.int64], size: int) -> Units:
    """The middle of each share: (position + 1/2) / size."""
    return (position + 0.5) / size


def spread(points: int) -> Units:
    """`points` evenly spaced numbers from 0 to 1, both included; 1/2 when there is only one."""
    return np.linspace(0.0, 1.0, points) if points > 1 else np.array([0.5])
