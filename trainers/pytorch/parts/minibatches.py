"""The order of an epoch's examples, and its cut into minibatches."""

import torch
from torch import Tensor

from ...errors import TrainerError
from ...randomness import mix


def epoch_order(examples: int, seed: int, epoch: int) -> Tensor:
    """The order in which an epoch goes through the examples: a permutation that the seed and the epoch decide.

    Nothing else decides it, so a trial that is restored has the same order as one that was not interrupted.

    Args:
        examples: The number of examples.
        seed: The trial's.
        epoch: From 1.

    Returns:
        int64 [examples].
    """
    return torch.randperm(examples, generator=torch.Generator().manual_seed(mix(seed, epoch)))


def minibatches(order: Tensor, batch_size: int) -> tuple[Tensor, ...]:
    """An epoch's minibatches, each as the places of its examples.

    The last one is smaller where the batch size does not divide the examples. If it has one example alone it is left
    out: batch norm has no variance of one.

    Args:
        order: int64 [n] from `epoch_order`, or [lanes, n].
        batch_size: At least 2.

    Raises:
        TrainerError: The batch size is below 2.
    """
    if batch_size < 2:
        raise TrainerError(f"batch_size is {batch_size}: it should be at least 2")
    return tuple(batch for batch in torch.split(order, batch_size, -1) if batch.shape[-1] > 1)
