"""Data sets of torch (`torch.utils.data.Dataset`) as data in memory."""

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from ...errors import TrainerError
from ..lanes.data import Data, DataDescription
from ..parts.splits import SplitSettings
from .arrays import Channels, Examples, from_arrays

_BATCH_SIZE = 1024


def from_dataset(
    dataset: Dataset[Any],
    split: SplitSettings | None = None,
    *,
    test: Dataset[Any] | None = None,
    channels: Channels | None = None,
) -> tuple[Data, DataDescription]:
    """Reads every item of a data set once, and keeps them.

    Its transforms draw their random numbers once, for all epochs: augment in the lane instead.

    Args:
        dataset: Map-style, of pairs of an input and a label: as `from_arrays` has them, one at a time. Where it has
            `classes`, as torchvision's do, these are the classes' names.
        split: The sizes of the parts.
        test: Items of the test part; `dataset` is then split into training and dev parts alone.
        channels: Their place, for images that could be read in two ways.

    Raises:
        TrainerError: The items are no such pairs, differ in shape, or cannot be split.
    """
    inputs, labels = _materialise(dataset)
    class_names = getattr(dataset, "classes", None)
    given = None if test is None else _materialise(test)
    return from_arrays(inputs, labels, split, test=given, channels=channels, class_names=class_names)


def _materialise(dataset: Dataset[Any]) -> Examples:
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
        raise TrainerError(f"{type(dataset).__name__} has no length: a map-style data set is needed")
    if len(dataset) == 0:
        raise TrainerError(f"{type(dataset).__name__} has no items")
    # A generator of its own: a loader without one draws from torch's.
    loader = DataLoader(dataset, batch_size=_BATCH_SIZE, generator=torch.Generator())
    try:
        batches = [_pair(dataset, batch) for batch in loader]
        return tuple(torch.cat(column) for column in zip(*batches, strict=True))  # type: ignore[return-value]
    except (TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise TrainerError(f"the items of {type(dataset).__name__} cannot be put together: {reason}") from error


def _pair(dataset: Dataset[Any], batch: Any) -> tuple[Tensor, Tensor]:
    if not isinstance(batch, list | tuple) or len(batch) != 2:
        raise TrainerError(f"the items of {type(dataset).__name__} should be pairs of an input and a label")
    inputs, labels = (torch.as_tensor(part) for part in batch)
    return inputs, labels
