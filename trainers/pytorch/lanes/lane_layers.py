"""Layers of torch over many lanes at once: inputs and weights with a leading dimension for the lanes.

`torch.func.vmap` can do the same for any model, and does where a layer is missing here. These are what it would arrive
at after its dispatch, which costs more than the arithmetic where models are small and lanes are few: products of
matrices become one batched product, convolutions one grouped convolution, and batch norm one over the channels of all
lanes.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F  # noqa: N812 the name that torch gives it

from ..models.blocks import ClassToken, FeatureTokens, FirstToken, PixelsToTokens, Positions, Residual, SelfAttention
from ..parts.dropout import Dropout, drop, repeated_key

Apply = Callable[[Tensor, Mapping[str, Tensor]], Tensor]
"""From inputs [lanes, examples, ...] and the tensors [lanes, ...] of a model by name to outputs [lanes, examples,
...]."""


def lanes_first(module: nn.Module, prefix: str = "") -> Apply | None:
    """A module as a function over lanes; None where it is, or holds, a layer that is not known here or has hooks.

    Args:
        module: Its settings are read when the function is called, `training` among them; its tensors are not.
        prefix: The beginning of its tensors' names.
    """
    build = _BUILDERS.get(type(module))
    hooks = (module._forward_pre_hooks, module._forward_hooks, module._backward_pre_hooks, module._backward_hooks)
    return None if build is None or any(hooks) else build(module, prefix)


def _sequential(module: Any, prefix: str) -> Apply | None:
    # Not its `named_children`, which would leave out a layer where it stands a second time.
    layers = [lanes_first(child, f"{prefix}{name}.") for name, child in module._modules.items()]
    known = [layer for layer in layers if layer is not None]
    if len(known) < len(layers):
        return None
    return lambda inputs, tensors: reduce(lambda values, layer: layer(values, tensors), known, inputs)


def _elementwise(module: Any, prefix: str) -> Apply:
    return lambda inputs, tensors: module(inputs)


def _linear(module: Any, prefix: str) -> Apply:
    weight, bias = f"{prefix}weight", f"{prefix}bias" if module.bias is not None else None

    def apply(inputs: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
        rows = inputs if inputs.dim() == 3 else inputs.flatten(1, -2)
        factors = tensors[weight].transpose(1, 2)
        outputs = torch.bmm(rows, factors) if bias is None else torch.baddbmm(tensors[bias][:, None], rows, factors)
        return outputs if inputs.dim() == 3 else outputs.reshape(*inputs.shape[:-1], -1)

    return apply


def _convolution(module: Any, prefix: str) -> Apply | None:
    if module.padding_mode != "zeros":
        return None
    weight, bias = f"{prefix}weight", f"{prefix}bias" if module.bias is not None else None

    def apply(inputs: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
        lanes = len(inputs)
        shift = None if bias is None else tensors[bias].flatten()
        groups = (module.stride, module.padding, module.dilation, module.groups * lanes)
        # With the channels of all lanes side by side in memory, pooling and convolutions take half the time on a CPU.
        images = _abreast(inputs).contiguous(memory_format=torch.channels_last)
        return _apart(F.conv2d(images, tensors[weight].flatten(0, 1), shift, *groups), lanes)

    return apply


def _batch_norm(module: Any, prefix: str) -> Apply | None:
    if module.momentum is None or not module.track_running_stats:
        return None

    def apply(inputs: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
        weight, bias = (tensors[f"{prefix}{name}"].flatten() if module.affine else None for name in ("weight", "bias"))
        mean, variance = (tensors[f"{prefix}running_{name}"].view(-1) for name in ("mean", "var"))
        if module.training:
            tensors[f"{prefix}num_batches_tracked"].add_(1)
        rest = (module.training, module.momentum, module.eps)
        return _apart(F.batch_norm(_abreast(inputs), mean, variance, weight, bias, *rest), len(inputs))

    return apply


def _layer_norm(module: Any, prefix: str) -> Apply:
    weight = f"{prefix}weight" if module.weight is not None else None
    bias = f"{prefix}bias" if module.bias is not None else None

    def apply(inputs: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
        shape = (len(inputs), *[1] * (inputs.dim() - 1 - len(module.normalized_shape)), *module.normalized_shape)
        outputs = F.layer_norm(inputs, module.normalized_shape, eps=module.eps)
        if weight is not None:
            outputs = outputs * tensors[weight].reshape(shape)
        return outputs if bias is None else outputs + tensors[bias].reshape(shape)

    return apply


def _pooling(module: Any, prefix: str) -> Apply:
    return lambda inputs, tensors: _apart(module(_abreast(inputs)), len(inputs))


def _flatten(module: Any, prefix: str) -> Apply | None:
    if module.start_dim < 1:
        return None
    end = module.end_dim + 1 if module.end_dim > 0 else module.end_dim
    return lambda inputs, tensors: inputs.flatten(module.start_dim + 1, end)


def _unflatten(module: Any, prefix: str) -> Apply | None:
    if module.dim < 1:
        return None
    return lambda inputs, tensors: torch.unflatten(inputs, module.dim + 1, module.unflattened_size)


def _dropout(module: Any, prefix: str) -> Apply:
    threshold, scale, key, mask = (f"{prefix}{name}" for name in ("threshold", "scale", "key", "mask"))

    def apply(inputs: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
        if not module.training:
            return inputs
        calls = module.count()
        if not calls and mask in tensors:
            return inputs * tensors[mask].reshape(inputs.shape)
        module.units = module.units if calls else inputs[0, 0].numel()
        return drop(inputs, tensors[threshold], tensors[scale], repeated_key(tensors[key], calls), module.layer)

    return apply


def _residual(module: Any, prefix: str) -> Apply | None:
    parts = [lanes_first(getattr(module, name), f"{prefix}{name}.") for name in ("main", "shortcut", "activation")]
    main, shortcut, activation = parts
    if main is None or shortcut is None or activation is None:
        return None
    return lambda inputs, tensors: activation(main(inputs, tensors) + shortcut(inputs, tensors), tensors)


def _self_attention(module: Any, prefix: str) -> Apply:
    project = _linear(module.queries_keys_values, f"{prefix}queries_keys_values.")
    output = _linear(module.output, f"{prefix}output.")
    return lambda inputs, tensors: output(module.mix(project(inputs, tensors)), tensors)


def _counts_from_the_last(module: Any, prefix: str) -> Apply:
    """Layers whose forward finds its dimensions from the last one: their tensors may have lanes in front."""
    names = [name for name, _ in module.named_parameters()]
    return lambda inputs, tensors: functional_call(module, {name: tensors[prefix + name] for name in names}, (inputs,))


def _abreast(inputs: Tensor) -> Tensor:
    """[lanes, examples, channels, ...] as [examples, lanes * channels, ...]."""
    return inputs.transpose(0, 1).flatten(1, 2)


def _apart(outputs: Tensor, lanes: int) -> Tensor:
    """[examples, lanes * channels, ...] as [lanes, examples, channels, ...]."""
    return torch.unflatten(outputs, 1, (lanes, -1)).transpose(0, 1)


_BUILDERS: dict[type[nn.Module], Callable[[Any, str], Apply | None]] = {
    nn.Sequential: _sequential,
    nn.Linear: _linear,
    nn.Conv2d: _convolution,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.LayerNorm: _layer_norm,
    nn.MaxPool2d: _pooling,
    nn.AvgPool2d: _pooling,
    nn.AdaptiveAvgPool2d: _pooling,
    nn.Flatten: _flatten,
    nn.Unflatten: _unflatten,
    Dropout: _dropout,
    Residual: _residual,
    SelfAttention: _self_attention,
    **dict.fromkeys((ClassToken, FeatureTokens, FirstToken, PixelsToTokens, Positions), _counts_from_the_last),
    **dict.fromkeys(
        (nn.Identity, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Softplus), _elementwise
    ),
}
