"""Gradient checking: a model's gradients beside those that central differences of its loss give."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import TrainerError
from ..randomness import seed_torch

FINE = 1e-7
"""Up to here a relative error is what rounding leaves."""

LOOK = 1e-5
"""Up to here it may be a mistake, or a kink such as ReLU's at 0 between two differences; above, it is wrong."""

Loss = Callable[[nn.Module, tuple[Tensor, ...]], Tensor]


@dataclass(frozen=True, slots=True)
class ParameterCheck:
    """One parameter's gradient beside its numerical one.

    Attributes:
        name: As in `named_parameters`: the layer's name and the parameter's.
        entries: Entries that were compared.
        size: Entries of the parameter.
        relative_error: ||g - n|| / (||g|| + ||n||) over the compared entries of the gradient g and the numerical one n,
            from 0 to 1, and smaller where both are too small to compare; NaN where a gradient is.
    """

    name: str
    entries: int
    size: int
    relative_error: float

    @property
    def verdict(self) -> str:
        """`fine`, `look` or `wrong`."""
        if self.relative_error <= FINE:
            return "fine"
        return "look" if self.relative_error <= LOOK else "wrong"


@dataclass(frozen=True, slots=True)
class GradientCheck:
    """The outcome for all parameters, in the model's order; printed, it is a table."""

    parameters: tuple[ParameterCheck, ...]

    @property
    def wrong(self) -> tuple[str, ...]:
        """The names of the parameters whose gradients are wrong."""
        return tuple(check.name for check in self.parameters if check.verdict == "wrong")

    def __str__(self) -> str:
        rows = [("parameter", "compared", "error", "verdict")]
        rows += [
            (check.name, f"{check.entries}/{check.size}", f"{check.relative_error:.1e}", check.verdict)
            for check in self.parameters
        ]
        name, compared, error, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
        return "\n".join(f"{a:<{name}}  {b:>{compared}}  {c:>{error}}  {d}" for a, b, c, d in rows)


def check_gradients(
    model: nn.Module,
    loss: Loss,
    batch: Sequence[Tensor],
    entries: int = 50,
    step: float = 6e-6,
    seed: int = 0,
) -> GradientCheck:
    """Compares the gradients of a loss with (J(w + step) - J(w - step)) / (2 step), entry by entry, in float64.

    It works on a copy: the model keeps its type, weights, gradients, mode and buffers, and the global random generators
    their state. Every evaluation of the loss draws the same random numbers and starts from the same buffers, so dropout
    and batch normalisation are checked in the mode that the model is in.

    The measure and its thresholds, 1e-7 and 1e-5, are the customary ones of courses (Ng, "Improving deep neural
    networks", week 1; Stanford's CS231n, "Gradient checks"). The step is the cube root of the machine epsilon, which
    balances truncation and rounding (Nocedal and Wright 2006, section 8.1). Gradients too small for the differences to
    resolve, as those of a bias before batch normalisation, are compared with the smallest that they resolve to 1e-7.

    Args:
        model: Every parameter that requires a gradient is checked.
        loss: A function of the model and the batch that returns a scalar.
        batch: A few examples; tensors of floats are used in float64.
        entries: Compared per parameter, drawn without replacement where it has more; each takes two evaluations.
        step: Added to and subtracted from an entry.
        seed: The seed of the drawn entries and of the random numbers in the loss.

    Raises:
        TrainerError: The loss is not a scalar in float64.
    """
    examples = tuple(part.double() if part.is_floating_point() else part for part in batch)
    with torch.random.fork_rng(_accelerators(model)):
        objective = _Objective(copy.deepcopy(model).double(), loss, examples, seed)
        gradients = objective.gradients()
        draw = np.random.default_rng(seed)
        checks = []
        for name, parameter in objective.parameters.items():
            places = draw.choice(parameter.numel(), min(entries, parameter.numel()), replace=False)
            numerical = objective.differences(parameter, places, step)
            analytical = gradients[name].flatten()[torch.as_tensor(places)].cpu().numpy()
            error = _relative_error(analytical, numerical, objective.resolution(step))
            checks.append(ParameterCheck(name, len(places), parameter.numel(), error))
    return GradientCheck(tuple(checks))


class _Objective:
    """The loss of a batch as a function of the parameters of a model of its own."""

    def __init__(self, model: nn.Module, loss: Loss, batch: tuple[Tensor, ...], seed: int) -> None:
        self.parameters = dict(_checkable(model))
        self._model, self._loss, self._batch, self._seed = model, loss, batch, seed
        self._buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
        self._value = math.nan

    def gradients(self) -> dict[str, Tensor]:
        """The gradients of backpropagation; zeros for parameters that the loss does not use."""
        with torch.enable_grad():
            value = self._evaluate()
            parameters = list(self.parameters.values())
            found = torch.autograd.grad(value, parameters, allow_unused=True) if value.requires_grad else ()
        self._value = value.item()
        zeros = {name: torch.zeros_like(value) for name, value in self.parameters.items()}
        return zeros | {name: gradient for name, gradient in zip(zeros, found, strict=False) if gradient is not None}

    def differences(self, parameter: Tensor, places: Any, step: float) -> Any:
        """The central differences at some entries [k], by their positions [k] in the flattened parameter."""
        return np.array([self._difference(parameter, int(place), step) for place in places])

    @torch.no_grad()
    def _difference(self, parameter: Tensor, place: int, step: float) -> float:
        index = np.unravel_index(place, tuple(parameter.shape))
        value = parameter[index].item()
        ends = []
        for end in (value + step, value - step):
            parameter[index] = end
            ends.append(self._evaluate().item())
        parameter[index] = value
        # The ends are rounded, so their distance is not quite two steps.
        return (ends[0] - ends[1]) / ((value + step) - (value - step))

    def resolution(self, step: float) -> float:
        """The error that rounding leaves in one difference, if each loss is off by four units of its last place."""
        return 4 * float(np.finfo(np.float64).eps) * max(abs(self._value), 1.0) / step

    def _evaluate(self) -> Tensor:
        seed_torch(self._seed)
        with torch.no_grad():
            for buffer, start in self._buffers:
                buffer.copy_(start)
        value = self._loss(self._model, self._batch)
        if not isinstance(value, Tensor) or value.numel() != 1 or value.dtype != torch.float64:
            found = f"{value.dtype} of shape {list(value.shape)}" if isinstance(value, Tensor) else repr(value)
            raise TrainerError(
                f"the loss of a gradient check is {found}: it has to be a scalar tensor of torch.float64"
            )
        return value.squeeze()


def _relative_error(analytical: Any, numerical: Any, resolution: float) -> float:
    difference = float(np.linalg.norm(analytical - numerical))
    size = float(np.linalg.norm(analytical) + np.linalg.norm(numerical))
    return difference / max(size, resolution * math.sqrt(len(numerical)) / FINE)


def _checkable(model: nn.Module) -> list[tuple[str, Tensor]]:
    """The parameters that are trained and have an entry."""
    return [(name, value) for name, value in model.named_parameters() if value.requires_grad and value.numel()]


def _accelerators(model: nn.Module) -> list[int]:
    """The CUDA devices whose generators the loss may use."""
    devices = {parameter.device for parameter in model.parameters()}
    return [device.index for device in devices if device.type == "cuda"]
