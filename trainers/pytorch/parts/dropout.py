"""Inverted dropout whose rate is a tensor and whose masks follow from a key."""

from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from .noise import stream_keys, uniform16

_LEVELS = 1 << 16
_REPEATED_STREAM = 2


class Dropout(nn.Module):
    """Inverted dropout (Srivastava et al., JMLR 2014): drops a share of the units and scales the others up.

    The numbers that follow from the rate, which is kept to 1/65,536, stand in buffers, so that models with different
    rates can be stacked. Without a key it is `torch.nn.Dropout`, with torch's own random numbers; with one, from
    `set_dropout_keys`, unit u of example e is dropped by a hash of (key, layer, e, u), whatever else is in the batch. A
    layer that is called again with the same key drops other units.

    Args:
        rate: Share of the units that is dropped, at least 0 and below 1.
    """

    threshold: Tensor
    scale: Tensor
    key: Tensor

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"rate: a dropout rate is at least 0 and below 1, got {rate!r}")
        dropped = round(rate * _LEVELS)
        self._rate = rate
        self.register_buffer("threshold", torch.tensor(dropped - _LEVELS // 2, dtype=torch.int16), persistent=False)
        self.register_buffer("scale", torch.tensor(_LEVELS / (_LEVELS - dropped)), persistent=False)
        self.register_buffer("key", torch.zeros((), dtype=torch.int64), persistent=False)
        self.layer = 0
        self.keyed = False
        self.units = 0
        self.calls = 0

    def forward(self, inputs: Tensor) -> Tensor:
        """Drops units in training; in evaluation the inputs come back as they are.

        Args:
            inputs: [examples, ...].
        """
        if not self.training:
            return inputs
        if not self.keyed:
            return dropout(inputs, self._rate)
        return drop(inputs, self.threshold, self.scale, repeated_key(self.key, self.count()), self.layer)

    def count(self) -> int:
        """Counts this call; returns the number of those before it with the same key."""
        self.calls += 1
        return self.calls - 1

    def extra_repr(self) -> str:
        """The rate."""
        return f"rate={self._rate}"


def keyed_dropout(model: nn.Module) -> nn.Module:
    """Puts a `Dropout` in the place of every `torch.nn.Dropout` of a model; returns the model."""
    keyed: dict[nn.Module, Dropout] = {}
    for module in list(model.modules()):
        for name, child in module._modules.items():
            if type(child) is nn.Dropout:
                setattr(module, name, keyed.setdefault(child, Dropout(child.p)))
    return model


def set_dropout_keys(model: nn.Module, key: Tensor) -> None:
    """Gives all dropout layers of a model the key of the batch that is trained next.

    Args:
        model: Changed in place. Its layers are numbered in the order of `modules()`.
        key: int64 [], from `noise.batch_keys`.
    """
    for layer, module in enumerate(module for module in model.modules() if isinstance(module, Dropout)):
        # A view each: tensors that modules share are taken for tied weights by `torch.func.functional_call`.
        module.layer, module.keyed, module.key, module.calls = layer, True, key.view(()), 0


def repeated_key(key: Tensor, calls: int) -> Tensor:
    """The key of a layer that was called so often before with one key."""
    return stream_keys(key, _REPEATED_STREAM + calls) if calls else key


def drop(inputs: Tensor, threshold: Tensor, scale: Tensor, key: Tensor, layer: int) -> Tensor:
    """Drops units by a key and scales the others up.

    Args:
        inputs: float [examples, ...], or [lanes, examples, ...] where the key has one dimension.
        threshold: int16 [] or [lanes]; units whose 16 random bits are below it are dropped.
        scale: float [] or [lanes], what the others are multiplied by.
        key: int64 [] or [lanes].
        layer: The layer's number in its model.
    """
    lanes, examples, units = inputs.shape[: key.dim()], inputs.shape[key.dim()], prod(inputs.shape[key.dim() + 1 :])
    bits = uniform16(key, examples, [units], layer)[..., :units]
    mask = (bits >= threshold[..., None, None]).to(inputs.dtype) * scale.to(inputs.dtype)[..., None, None]
    return inputs * mask.reshape(*lanes, *inputs.shape[key.dim() :])
