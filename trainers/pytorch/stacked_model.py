"""Models of one structure, stacked: each parameter is one tensor with a leading dimension for the lanes."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from ..errors import TrainerError
from .dropout import Dropout, set_dropout_keys
from .dropout_masks import DropoutMasks
from .lane_layers import lanes_first
from .rows import RowLayout, stack

_SIZES = frozenset({"in_features", "out_features", "num_features", "in_channels", "out_channels"})
"""Settings of layers that follow from the widths, which padding makes equal."""

_NOT_ZERO_AT_ZERO = (nn.Sigmoid, nn.Softplus)


class StackedModel:
    """Many models as one, called with a leading dimension for the lanes.

    Attributes:
        rows: float [lanes, parameters]. What is written into it, the model computes with.

    Args:
        models: At least one, equal in structure: the same layers with the same settings.
        padded: Whether their widths may differ.

    Raises:
        TrainerError: They differ in more.
    """

    def __init__(self, models: Sequence[nn.Module], *, padded: bool) -> None:
        _check_structure(models, padded=padded)
        _check_widths(models)
        self._template = copy.deepcopy(max(models, key=_size))
        set_dropout_keys(self._template, torch.zeros((), dtype=torch.int64))
        self._apply = lanes_first(self._template)
        parameters = [dict(model.named_parameters()) for model in models]
        self._layout = RowLayout(parameters)
        self.rows = self._layout.join(parameters, next(iter(parameters[0].values())))
        buffers = [dict(model.named_buffers()) for model in models]
        self._own_buffers = [{name: buffer.shape for name, buffer in lane.items()} for lane in buffers]
        self._buffers = {name: stack([lane[name] for lane in buffers]) for name in buffers[0]}
        self._saved = frozenset(self._template.state_dict())
        layers = self._template.named_modules()
        self._dropouts = {name: layer for name, layer in layers if isinstance(layer, Dropout)}
        self._masks: DropoutMasks | None = None
        self._drawn: Mapping[str, Tensor] = {}
        self._expose()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def training(self) -> bool:
        """Whether the layers behave as in training."""
        return self._template.training

    def train(self, mode: bool = True) -> None:
        """Makes the layers behave as in training, or as in evaluation."""
        self._template.train(mode)

    @property
    def leaves(self) -> Sequence[Tensor]:
        """The parameters, each [lanes, ...], to differentiate by."""
        return list(self._parameters.values())

    def begin_epoch(self, keys: Tensor, sizes: Sequence[int]) -> None:
        """Takes the keys of the batches that are trained next, for the random numbers of dropout.

        Args:
            keys: int64 [batches, lanes].
            sizes: Examples of each batch.
        """
        self._keys, self._masks = keys, None
        if self._apply is not None and self._dropouts and all(layer.units for layer in self._dropouts.values()):
            self._masks = DropoutMasks(self._dropouts, self._buffers, keys, sizes, self.rows.dtype)

    def begin_batch(self, batch: int) -> None:
        """Makes dropout draw the random numbers of a batch, by its place in the epoch."""
        self._drawn = {} if self._masks is None else self._masks.of(batch)
        if self._masks is None:
            self._buffers.update({f"{name}.key": self._keys[batch] for name in self._dropouts})

    def __call__(self, inputs: Tensor) -> Tensor:
        """Outputs [lanes, examples, ...] for inputs [lanes, examples, ...]."""
        if self._apply is not None:
            return self._apply(inputs, self._tensors)
        outputs: Tensor = self.map(lambda model, values: model(values), inputs)
        return outputs

    def map(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a function for each lane at once, by vmap.

        Args:
            function: Called with a lane's model and its share of the arguments.
            arguments: Trees of tensors with a leading dimension for the lanes.
        """

        def call(parameters: Any, buffers: Any, *own: Any) -> Any:
            return function(_OneLane(self._template, {**parameters, **buffers}), *own)

        return vmap(call)(self._parameters, self._buffers, *arguments)

    def split(self, rows: Tensor, lane: int) -> dict[str, Tensor]:
        """One lane's row of a matrix with the layout of the parameters, such as an optimizer's, as copies by name."""
        tensors = self._layout.lane(self._layout.views(rows), lane)
        return {name: tensor.clone() for name, tensor in tensors.items()}

    def join(self, lanes: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """Tensors that have the names and shapes of the parameters as rows; zeros for what is missing."""
        return self._layout.join(lanes, self.rows)

    def lane(self, lane: int) -> "LaneOfModel":
        """One of the models."""
        parameters = self._layout.lane(self._layout.views(self.rows), lane)
        shapes = self._own_buffers[lane]
        buffers = {
            name: buffer[lane][tuple(map(slice, shapes[name]))]
            for name, buffer in self._buffers.items()
            if name in self._saved
        }
        return LaneOfModel({**parameters, **buffers})

    def select(self, lanes: Sequence[int]) -> None:
        """Keeps some lanes."""
        places = torch.tensor(lanes, device=self.rows.device)
        self._layout.select(lanes)
        self._own_buffers = [self._own_buffers[lane] for lane in lanes]
        self.rows = self.rows[places]
        self._buffers = {name: buffer[places] for name, buffer in self._buffers.items()}
        self._expose()

    def _expose(self) -> None:
        """Makes the parameters anew, as leaves that share the memory of the rows."""
        views = self._layout.views(self.rows)
        self._parameters = {name: view.detach().requires_grad_() for name, view in views.items()}

    @property
    def _tensors(self) -> Mapping[str, Tensor]:
        return {**self._parameters, **self._buffers, **self._drawn}


class LaneOfModel:
    """One lane's weights and averages, as an `nn.Module` would save and restore them.

    Args:
        tensors: They share the memory of the stacked model.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors

    def state_dict(self) -> dict[str, Tensor]:
        """The tensors by name."""
        return dict(self._tensors)

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Writes tensors into the stacked model."""
        for name, tensor in self._tensors.items():
            tensor.copy_(state[name])


class _OneLane:
    """What a lane's loss is given as its model under vmap."""

    def __init__(self, template: nn.Module, tensors: Mapping[str, Any]) -> None:
        self._template, self._tensors = template, dict(tensors)

    @property
    def training(self) -> bool:
        return self._template.training

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return functional_call(self._template, self._tensors, arguments, options)


def _check_widths(models: Sequence[nn.Module]) -> None:
    shapes = [[parameter.shape for parameter in model.parameters()] for model in models]
    unfit = [layer for layer in models[0].modules() if isinstance(layer, _NOT_ZERO_AT_ZERO)]
    if unfit and any(own != shapes[0] for own in shapes):
        raise TrainerError(
            f"models of different widths cannot be trained as one with {type(unfit[0]).__name__}, which is not 0 at 0:"
            " padding with zeros would change them"
        )


def _size(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _check_structure(models: Sequence[nn.Module], *, padded: bool) -> None:
    first = _structure(models[0], padded=padded)
    for model in models[1:]:
        other = _structure(model, padded=padded)
        if other != first:
            places = sorted({name for name, _ in set(first.items()) ^ set(other.items())})
            raise TrainerError(
                f"models that were to be trained as one differ in {places[0] or 'the model itself'}: name the"
                " hyperparameter that makes the difference in the lane's static"
            )


def _structure(model: nn.Module, *, padded: bool) -> dict[str, Any]:
    """What has to be equal in models that are stacked: the type and the settings of each layer, and the shapes."""
    structure: dict[str, Any] = {name: _settings(layer, padded=padded) for name, layer in model.named_modules()}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        structure[name] = (tensor.dtype, len(tensor.shape) if padded else tensor.shape)
    return structure


def _settings(layer: nn.Module, *, padded: bool) -> tuple[Any, ...]:
    left_out = {"training", "layer", "keyed", "units", *(_SIZES if padded else ())}
    settings = (
        (name, value)
        for name, value in vars(layer).items()
        if not name.startswith("_") and name not in left_out and isinstance(value, int | float | str | tuple | None)
    )
    return (type(layer), *settings)
