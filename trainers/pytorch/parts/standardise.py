"""Inputs with mean 0 and standard deviation 1 over the training part."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]

PER_FEATURE = 0
"""`over` for tables [n, features]: each feature has its own mean and deviation."""

PER_CHANNEL = (0, 2, 3)
"""`over` for images [n, channels, height, width]: all pixels of a channel share them."""


@dataclass(frozen=True, slots=True)
class Standardiser:
    """The mean and the deviation that standardise inputs, fitted to the training part alone.

    Attributes:
        mean: Subtracted from inputs, in a shape that broadcasts over examples; float64 if the training part is, so that
            a large mean (a date, a year) keeps its digits, float32 if float32 or bytes are.
        deviation: The divisor, of the shape and type of `mean`, above 0; 1 where the training part is constant.
    """

    mean: npt.NDArray[np.floating[Any]]
    deviation: npt.NDArray[np.floating[Any]]

    @classmethod
    def fit(cls, train: npt.NDArray[Any], over: int | tuple[int, ...] | None = PER_FEATURE) -> "Standardiser":
        """Takes the mean and the (population) standard deviation of the training part.

        Args:
            train: Numbers [n, ...], without missing ones.
            over: The axes that share a mean and a deviation: `PER_FEATURE`, `PER_CHANNEL`, or None for one of each over
                all that there is.
        """
        mean = train.mean(axis=over, keepdims=True, dtype=np.float64)
        deviation = train.std(axis=over, keepdims=True, dtype=np.float64)
        # The deviation of a constant is not always exactly 0: its mean is rounded.
        constant = deviation <= 1e-12 * np.abs(mean)
        precision = np.result_type(train.dtype, np.float32)
        return cls(mean.astype(precision), np.where(constant, 1, deviation).astype(precision))

    def apply(self, inputs: npt.NDArray[Any]) -> Float32s:
        """Standardises inputs of any part.

        Args:
            inputs: Numbers [n, ...], of the training part's shape but for n.

        Returns:
            float32 of the same shape; what is too far from a tiny deviation for float32 is its largest number.
        """
        standardised: Float32s = inputs - self.mean
        with np.errstate(over="ignore"):
            standardised /= self.deviation
        most = float(np.finfo(np.float32).max)
        np.clip(standardised, -most, most, out=standardised)
        return standardised.astype(np.float32, copy=False)
