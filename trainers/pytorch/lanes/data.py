"""Data in memory, in three parts; and scikit-learn's digits: 1,797 images of 8x8 grey levels in ten classes."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from ..parts.splits import Parts, SplitSettings, split_examples
from ..parts.standardise import Standardiser

SPLIT_SEED = 0
"""The split that every trial uses: trials can be compared because they see the same examples."""


@dataclass(frozen=True, slots=True)
class Data:
    """The parts of a data set. Each is a tuple of tensors with one row an example, such as inputs and labels.

    Attributes:
        train: To fit weights.
        dev: To compare trials.
        test: For one look at the end of a search; None if there is no such part.
    """

    train: tuple[Tensor, ...]
    dev: tuple[Tensor, ...]
    test: tuple[Tensor, ...] | None = None

    @classmethod
    def in_parts(cls, tensors: tuple[Tensor, ...], parts: Parts) -> "Data":
        """Shares examples out.

        Args:
            tensors: Tensors with a row for each example.
            parts: The rows of each part.
        """
        train, dev, test = (
            None if places is None else tuple(tensor[torch.from_numpy(places)] for tensor in tensors)
            for places in (parts.train, parts.dev, parts.test)
        )
        assert train is not None
        assert dev is not None
        return cls(train, dev, test)

    def to(self, device: torch.device) -> "Data":
        """The same data on a device; what is there already is shared."""
        train, dev = (tuple(tensor.to(device) for tensor in part) for part in (self.train, self.dev))
        return Data(train, dev, None if self.test is None else tuple(tensor.to(device) for tensor in self.test))


@dataclass(frozen=True, slots=True)
class DataDescription:
    """Facts for a model and a reader about data for classification, whose parts are inputs and labels.

    Attributes:
        kind: Inputs are rows of a table, float32 [n, features], or images, float32 [n, channels, height, width]. Labels
            are int64 [n], from 0.
        input_shape: The inputs' shape without n.
        class_names: By label.
        feature_names: By column of a table; empty for images.
    """

    kind: Literal["table", "images"]
    input_shape: tuple[int, ...]
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...] = ()

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)


DIGITS = DataDescription("images", (1, 8, 8), tuple("0123456789"))
"""The data of `digits_data`."""


@cache
def digits_data(split_seed: int = SPLIT_SEED) -> Data:
    """The digits in three parts with equal shares of the classes: 60 % training, 20 % dev and 20 % test.

    Grey levels are centred and scaled by the mean and the standard deviation of all pixels of the training part. Pixels
    are not standardised one by one: near the border they are nearly always 0, and noise there would be blown up.

    Args:
        split_seed: Decides which example is in which part. It is no trial's seed.

    Returns:
        Parts of images, float32 [n, 1, 8, 8], and labels, int64 [n], 0 to 9.
    """
    rows, labels = load_digits(return_X_y=True)
    images, labels = rows.astype(np.float32).reshape(-1, *DIGITS.input_shape), labels.astype(np.int64)
    parts = split_examples(labels, SplitSettings(seed=split_seed))
    standardised = Standardiser.fit(images[parts.train], over=None).apply(images)
    return Data.in_parts((torch.from_numpy(standardised), torch.from_numpy(labels)), parts)
