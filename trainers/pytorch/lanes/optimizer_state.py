"""The state of an optimizer, in a form that torch's optimizers and fused ones share."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn, optim

from .optimizers import COUNTED, SLOTS, build_optimizer
from .recipe import Recipe

Slots = Mapping[str, Mapping[str, Tensor]]
"""By a slot's name, as in `SLOTS`, the tensor of each parameter by its name."""


class OptimizerState:
    """The state of one trial's optimizer: at rest as tensors by name, at work as an optimizer of torch.

    Attributes:
        updates: Updates so far.

    Args:
        recipe: Names the rule.
        model: The model that is updated.
    """

    def __init__(self, recipe: Recipe, model: nn.Module) -> None:
        self._recipe, self._model = recipe, model
        self._slots: Slots = {}
        self._optimizer: optim.Optimizer | None = None
        self.updates = 0

    def alone(self) -> optim.Optimizer:
        """The optimizer of torch that goes on from this state."""
        if self._optimizer is None:
            self._optimizer = build_optimizer(self._recipe, self._model.parameters())
            self._fill(self._optimizer)
        return self._optimizer

    @property
    def slots(self) -> Slots:
        """The rule's memory of each parameter; empty before the first update."""
        if self._optimizer is None:
            return self._slots
        state = self._optimizer.state
        names = {name: parameter for name, parameter in self._model.named_parameters() if parameter in state}
        return {
            slot: {name: state[parameter][slot] for name, parameter in names.items() if slot in state[parameter]}
            for slot in SLOTS[self._recipe.optimizer]
        }

    def replace(self, slots: Slots, updates: int) -> None:
        """Takes another state, such as one lane's of a fused optimizer."""
        self._slots, self.updates, self._optimizer = slots, updates, None

    def state_dict(self) -> dict[str, Any]:
        """The slots and the number of updates."""
        return {"updates": self.updates, "slots": {slot: dict(tensors) for slot, tensors in self.slots.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state_dict` returned.

        Raises:
            ValueError: A tensor has another shape than its parameter.
        """
        parameters = dict(self._model.named_parameters())
        for tensors in state["slots"].values():
            for name, tensor in tensors.items():
                if tensor.shape != parameters[name].shape:
                    raise ValueError(
                        f"{name} has the shape {tuple(parameters[name].shape)}, its state {tuple(tensor.shape)}"
                    )
        slots = {
            slot: {name: tensor.to(parameters[name].device) for name, tensor in tensors.items()}
            for slot, tensors in state["slots"].items()
        }
        self.replace(slots, state["updates"])

    def _fill(self, optimizer: optim.Optimizer) -> None:
        parameters = dict(self._model.named_parameters())
        for slot, tensors in self._slots.items():
            for name, tensor in tensors.items():
                optimizer.state[parameters[name]][slot] = tensor.clone()
                if self._recipe.optimizer in COUNTED:
                    step = torch.tensor(float(self.updates), device=tensor.device)
                    optimizer.state[parameters[name]]["step"] = step
