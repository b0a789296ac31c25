"""Losses and scores with a value for each lane: leading dimensions stay, examples and classes go."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.functional import log_softmax


def cross_entropy(logits: Tensor, targets: Tensor, label_smoothing: float | Tensor = 0.0) -> Tensor:
    """The mean cross-entropy of n examples in nats, as `torch.nn.functional.cross_entropy` has it, for each lane.

    With label smoothing s the targets become (1 - s) * target + s / classes (Szegedy et al. 2016, "Rethinking the
    Inception Architecture for Computer Vision", section 7).

    Args:
        logits: Float [..., n, classes].
        targets: Class indices, an integer tensor [..., n]; or probabilities, float [..., n, classes].
        label_smoothing: From 0 to 1. A tensor has the leading dimensions of `logits`, or is broadcast to them.

    Returns:
        Float [...], a 0-dim tensor where `logits` has no leading dimensions.
    """
    logits = _precise(logits)
    # Along the last dimension torch takes five times as long where it has few entries, as classes have.
    log_probabilities = log_softmax(logits.transpose(-1, -2), -2)
    if targets.is_floating_point():
        gain = (log_probabilities * targets.transpose(-1, -2)).sum(-2).mean(-1)
    else:
        gain = log_probabilities.gather(-2, targets.long().unsqueeze(-2)).mean((-2, -1))
    if isinstance(label_smoothing, Tensor) or label_smoothing:
        gain = (1 - label_smoothing) * gain + label_smoothing * log_probabilities.mean((-2, -1))
    return -gain


def accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """The share of examples whose largest logit is that of the right class, for each lane.

    Args:
        logits: Float [..., n, classes].
        targets: Class indices, an integer tensor [..., n]; or probabilities, float [..., n, classes], of which the
            largest counts as right.

    Returns:
        [...], from 0 to 1, in the precision of `logits`, or float32 where that is lower.
    """
    labels = targets.argmax(-1) if targets.is_floating_point() else targets
    return (logits.argmax(-1) == labels).to(_precise(logits).dtype).mean(-1)


def l2_penalty(parameters: Iterable[Tensor], weight_decay: float | Tensor) -> Tensor:
    """Half the weight decay times the sum of all squared parameters, to be added to a loss.

    Its gradient is weight_decay * parameter, which is what the optimizers of `torch.optim` add for their own
    `weight_decay` (AdamW excepted, whose decay passes by the gradient). Use one of the two: together they decay twice.

    Args:
        parameters: At least one tensor. Where `weight_decay` is a tensor [lanes], they are stacked as [lanes, ...].
        weight_decay: At least 0.

    Returns:
        A tensor of the shape of `weight_decay`, 0-dim for a float.
    """
    lanes = weight_decay.shape if isinstance(weight_decay, Tensor) else ()
    squares = [parameter.square().reshape(*lanes, -1).sum(-1) for parameter in parameters]
    return 0.5 * weight_decay * sum(squares[1:], squares[0])


def _precise(tensor: Tensor) -> Tensor:
    """A tensor in float32 at least: a mean of bfloat16 has two digits."""
    return tensor.float() if tensor.dtype in {torch.bfloat16, torch.float16} else tensor
