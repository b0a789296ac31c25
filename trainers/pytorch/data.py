"""The digits of scikit-learn: 1,797 images of 8x8 grey levels, handwritten, in ten classes."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor

SPLIT_SEED = 0
"""The split that every trial uses: trials can be compared because they see the same examples."""

Indices = npt.NDArray[np.int64]

IMAGE_SIZE = 8
CLASSES = 10


@dataclass(frozen=True, slots=True)
class Examples:
    """Images and their labels.

    Attributes:
        images: float32 [n, 64], normalised.
        labels: int64 [n], 0 to 9.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Digits:
    """The three parts of the data.

    Attributes:
        train: 60 % of the examples, to fit weights.
        dev: 20 %, to compare trials.
        test: 20 %, for one look at the end of a search.
    """

    train: Examples
    dev: Examples
    test: Examples


@cache
def digits(split_seed: int = SPLIT_SEED) -> Digits:
    """The digits in three parts with equal shares of the classes, in memory.

    Grey levels are centred and scaled by the mean and the standard deviation of all pixels of the training part. Pixels
    are not normalised one by one: near the border they are nearly always 0, and noise there would be blown up.

    Args:
        split_seed: Decides which example is in which part. It is no trial's seed.
    """
    images, labels = load_digits(return_X_y=True)
    images, labels = images.astype(np.float32), labels.astype(np.int64)
    parts = split(labels, split_seed)
    mean, deviation = images[parts[0]].mean(), images[parts[0]].std()
    normalised = (images - mean) / deviation
    return Digits(*(Examples(torch.from_numpy(normalised[part]), torch.from_numpy(labels[part])) for part in parts))


def split(labels: npt.NDArray[np.int64], seed: int) -> tuple[Indices, Indices, Indices]:
    """The indices of the training, dev and test parts: 60 %, 20 % and 20 %, stratified by label."""
    train, rest = train_test_split(np.arange(len(labels)), train_size=0.6, stratify=labels, random_state=seed)
    dev, test = train_test_split(rest, train_size=0.5, stratify=labels[rest], random_state=seed)
    return train, dev, test
