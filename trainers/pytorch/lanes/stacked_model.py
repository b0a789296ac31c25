"""Models of one structure, stacked: each parameter is one tensor with a leading dimension for the lanes."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from ...errors import TrainerError
from ..parts.dropout import Dropout, set_dropout_keys
from .dropout_masks import DropoutMasks
from .lane_layers import lanes_first
from .rows import RowLayout, stack
from .structure import check_structure


class StackedModel:
    """Many models as one, called with a leading dimension for the lanes.

    Attributes:
        rows: float [lanes, parameters]. What is written into it, the model computes with.

    Args:
        models: At least one, equal in structure: the same layers with the same settings. Parameters that need no
            gradient stay as they are.
        padded: Whether their widths may differ.

    Raises:
        TrainerError: They differ in more, or have nothing to train, or parameters of several types.
    """

    def __init__(self, models: Sequence[nn.Module], *, padded: bool) -> None:
        check_structure(models, padded=padded)
        self._template = copy.deepcopy(max(models, key=_size))
        set_dropout_keys(self._template, torch.zeros((), dtype=torch.int64))
        self._apply = lanes_first(self._template)
        parameters = [_trained(model) for model in models]
        self._layout = RowLayout(parameters)
        self.rows = self._layout.join(parameters, next(iter(parameters[0].values())))
        buffers = [_kept(model) for model in models]
        self._own_buffers = [{name: buffer.shape for name, buffer in lane.items()} for lane in buffers]
        self._buffers = {name: stack([lane[name] for lane in buffers]) for name in buffers[0]}
        self._saved = frozenset(self._template.state_dict())
        self._aliases = _aliases(self._template)
        layers = self._template.named_modules()
        self._dropouts = {name: layer for name, layer in layers if isinstance(layer, Dropout)}
        self._masks: DropoutMasks | None = None
        self._drawn: Mapping[str, Tensor] = {}
        self._expose()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def training(self) -> bool:
        """True where the layers behave as in training."""
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
        for name, layer in self._dropouts.items():
            self._buffers[f"{name}.key"], layer.calls = self._keys[batch], 0

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
            one = _OneLane(self._template, {**parameters, **buffers})
            return function(one, *own), one.replaced(buffers)

        returned, replaced = vmap(call)(self._parameters, self._buffers, *arguments)
        self._buffers.update({name: buffer.detach().clone() for name, buffer in replaced.items()})
        return returned

    def check_padding(self, gradients: Tensor) -> None:
        """Refuses models that would learn something where narrower ones are padded.

        Args:
            gradients: float [lanes, parameters].

        Raises:
            TrainerError: A gradient is not 0 there.
        """
        padding = self._layout.padding(self.rows)
        if padding is not None and gradients[padding].any():
            raise TrainerError(
                "models of different widths cannot be trained as one here: padding with zeros would change them, since"
                " a unit with zero weights learns; take the width out of the lane's padded"
            )

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
        tensors = {**parameters, **buffers}
        shared = {alias: tensors[name] for alias, name in self._aliases.items() if alias in self._saved}
        return LaneOfModel({**tensors, **shared})

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
        tensors = {**self._parameters, **self._buffers, **self._drawn}
        return {**tensors, **{alias: tensors[name] for alias, name in self._aliases.items()}}


class LaneOfModel:
    """One lane's weights and averages, as an `nn.Module` would save and restore them.

    Args:
        tensors: They share the memory of the stacked model.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors

    def state_dict(self) -> dict[str, Tensor]:
        """Copies of the tensors by name: a copy of a view would keep the weights of all lanes in memory."""
        return {name: tensor.clone() for name, tensor in self._tensors.items()}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Writes tensors into the stacked model."""
        for name, tensor in self._tensors.items():
            tensor.copy_(state[name])


class _OneLane:
    """One lane as the model that its loss is given under vmap."""

    def __init__(self, template: nn.Module, tensors: Mapping[str, Any]) -> None:
        self._template, self._tensors = template, dict(tensors)

    @property
    def training(self) -> bool:
        return self._template.training

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return functional_call(self._template, self._tensors, arguments, options)

    def replaced(self, buffers: Mapping[str, Any]) -> dict[str, Any]:
        """The buffers in whose place the model has put other tensors, which `functional_call` hands back."""
        return {name: self._tensors[name] for name, buffer in buffers.items() if self._tensors[name] is not buffer}


def _size(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _trained(model: nn.Module) -> dict[str, Tensor]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def _kept(model: nn.Module) -> dict[str, Tensor]:
    """The tensors that no optimizer changes: the buffers and the frozen parameters."""
    frozen = {name: parameter for name, parameter in model.named_parameters() if not parameter.requires_grad}
    return {**frozen, **dict(model.named_buffers())}


def _aliases(model: nn.Module) -> dict[str, str]:
    """The further names of tensors that layers share, each with the first name."""
    both = (model.named_parameters(remove_duplicate=False), model.named_buffers(remove_duplicate=False))
    names = [(name, id(tensor)) for tensors in both for name, tensor in tensors]
    first = {tensor: name for name, tensor in reversed(names)}
    return {name: first[tensor] for name, tensor in names if first[tensor] != name}
