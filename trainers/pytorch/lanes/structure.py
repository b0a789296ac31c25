"""The structure that stacked models share: layers, settings, and the types and shapes of their tensors."""

from collections.abc import Mapping, Sequence
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import TrainerError
from ..parts.activations import ACTIVATIONS, ZERO_AT_ZERO

_OF_EVERY_MODULE = frozenset(vars(nn.Module()))
_OF_DROPOUT = frozenset({"_rate", "layer", "keyed", "units", "calls"})
"""The attributes of `Dropout` beside its buffers."""
_SIZES = frozenset({"in_features", "out_features", "num_features", "in_channels", "out_channels"})
"""Settings of layers that follow from the widths, which padding makes equal."""
_NOT_ZERO_AT_ZERO = (*(type(make()) for name, make in ACTIVATIONS.items() if name not in ZERO_AT_ZERO), nn.Softplus)
_DEEPEST = 4


def check_structure(models: Sequence[nn.Module], *, padded: bool) -> None:
    """Refuses models that cannot be stacked.

    Args:
        models: At least one.
        padded: Whether their widths may differ.

    Raises:
        TrainerError: They differ in more, or have nothing to train, or parameters of several types.
    """
    types = {parameter.dtype for parameter in models[0].parameters() if parameter.requires_grad}
    if len(types) != 1 or not types <= {torch.float32, torch.float64}:
        found = " and ".join(sorted(map(str, types))) or "none"
        raise TrainerError(
            f"models are trained as one where the parameters to train are all float32 or all float64; here are {found}"
        )
    first = _structure(models[0], padded=padded)
    for model in models[1:]:
        other = _structure(model, padded=padded)
        if other != first:
            places = sorted(name for name in {*first, *other} if first.get(name) != other.get(name))
            raise TrainerError(
                f"models that were to be trained as one differ in {places[0] or 'the model itself'}: name the"
                " hyperparameter that makes the difference in the lane's static"
            )
    _check_widths(models)


def _check_widths(models: Sequence[nn.Module]) -> None:
    shapes = [[parameter.shape for parameter in model.parameters()] for model in models]
    unfit = [layer for layer in models[0].modules() if isinstance(layer, _NOT_ZERO_AT_ZERO)]
    if unfit and any(own != shapes[0] for own in shapes):
        raise TrainerError(
            f"models of different widths cannot be trained as one with {type(unfit[0]).__name__}, which is not 0 at 0:"
            " padding with zeros would change them"
        )


def _structure(model: nn.Module, *, padded: bool) -> dict[str, Any]:
    """The structure that stacked models must share: the type and the settings of each layer, and the shapes."""
    structure: dict[str, Any] = {name: _settings(layer, padded=padded) for name, layer in model.named_modules()}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        shape = len(tensor.shape) if padded else tensor.shape
        structure[name] = (tensor.dtype, tensor.requires_grad, shape)
    return structure


def _settings(layer: nn.Module, *, padded: bool) -> tuple[Any, ...]:
    left_out = _OF_EVERY_MODULE | _OF_DROPOUT | (_SIZES if padded else frozenset())
    settings = {name: _comparable(value) for name, value in vars(layer).items() if name not in left_out}
    hooks = [*layer._forward_pre_hooks.values(), *layer._forward_hooks.values()]
    return type(layer), settings, _comparable(hooks)


def _comparable(value: Any, depth: int = 0) -> Any:
    """A setting as what can be compared by its contents; no deeper than settings are nested, since code is cyclic."""
    if value is None or isinstance(value, int | float | complex | str | bytes | type):
        return value
    if isinstance(value, nn.Module) or depth == _DEEPEST:
        return type(value)
    if isinstance(value, Tensor | np.ndarray):
        return tuple(value.shape), value.tolist()
    return type(value), [_comparable(part, depth + 1) for part in _parts(value)]


def _parts(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [part for item in value.items() for part in item]
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        return [value.__code__.co_code, value.__code__.co_names, value.__defaults__, value.__kwdefaults__, *cells]
    return [vars(value)] if hasattr(value, "__dict__") else [repr(value)]
