"""The update rules: torch's own for a trial that trains alone, the same ones over rows of parameters for fused trials.

| rule | source |
|---|---|
| sgd | Robbins and Monro, 1951 |
| momentum | Polyak, 1964, as in torch: v = momentum * v + g, p = p - lr * v |
| nesterov | Sutskever et al., ICML 2013, as in torch: p = p - lr * (g + momentum * v) |
| adagrad | Duchi, Hazan and Singer, JMLR 2011 |
| rmsprop | Hinton, lecture 6e of "Neural networks for machine learning", 2012 |
| adam | Kingma and Ba, ICLR 2015 |
| adamw | Loshchilov and Hutter, ICLR 2019 |
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn, optim

from .recipe import Recipe

SLOTS: Mapping[str, tuple[str, ...]] = {
    "sgd": (),
    "momentum": ("momentum_buffer",),
    "nesterov": ("momentum_buffer",),
    "adagrad": ("sum",),
    "rmsprop": ("square_avg",),
    "adam": ("exp_avg", "exp_avg_sq"),
    "adamw": ("exp_avg", "exp_avg_sq"),
}
"""Each rule's memory of a parameter, by the names that torch's optimizers have for it."""

COUNTED = ("adagrad", "rmsprop", "adam", "adamw")
"""The rules whose state in torch holds the number of updates."""


def build_optimizer(recipe: Recipe, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """The optimizer that a recipe names, from torch, fused where torch has that for the CPU."""
    lr, decay, eps = recipe.lr, recipe.weight_decay, recipe.eps
    name, betas = recipe.optimizer, (recipe.momentum, recipe.beta2)
    if name == "rmsprop":
        return optim.RMSprop(parameters, lr, alpha=recipe.beta2, eps=eps, weight_decay=decay)
    if name == "adagrad":
        return optim.Adagrad(parameters, lr, weight_decay=decay, eps=eps, fused=True)
    if name == "adam":
        return optim.Adam(parameters, lr, betas, eps, weight_decay=decay, fused=True)
    if name == "adamw":
        return optim.AdamW(parameters, lr, betas, eps, weight_decay=decay, fused=True)
    velocity = 0.0 if name == "sgd" else recipe.momentum
    nesterov = name == "nesterov" and velocity > 0
    return optim.SGD(parameters, lr, velocity, weight_decay=decay, nesterov=nesterov, fused=True)


def set_learning_rate(optimizer: optim.Optimizer, rate: float) -> None:
    """Sets the rate of the updates that follow."""
    for group in optimizer.param_groups:
        group["lr"] = rate


@dataclass(frozen=True, slots=True)
class Rates:
    """The hyperparameters of an update rule, one for each lane: float64 [lanes, 1] each, whatever the parameters are.

    In float32, 1 - 0.999 would be wrong in the fifth digit.

    Attributes:
        momentum: Share of the velocity that is kept; beta1 of Adam and AdamW.
        beta2: Share of the mean square that is kept.
        eps: Added to the root of the mean square.
        weight_decay: L2 penalty, decoupled in AdamW.
    """

    momentum: Tensor
    beta2: Tensor
    eps: Tensor
    weight_decay: Tensor

    def select(self, lanes: Tensor) -> "Rates":
        """Those of some lanes."""
        return Rates(self.momentum[lanes], self.beta2[lanes], self.eps[lanes], self.weight_decay[lanes])


@dataclass(frozen=True, slots=True)
class _Columns:
    """`Rates` in the type of the parameters, with the shares of a new gradient in the two averages."""

    momentum: Tensor
    mean_share: Tensor
    square_share: Tensor
    eps: Tensor
    weight_decay: Tensor

    @classmethod
    def of(cls, rates: Rates, dtype: torch.dtype) -> "_Columns":
        columns = rates.momentum, 1 - rates.momentum, 1 - rates.beta2, rates.eps, rates.weight_decay
        return cls(*(column.to(dtype) for column in columns))


class RowOptimizer:
    """An update rule over the parameters of many lanes, a row each.

    Attributes:
        slots: The rule's memory: by its name float [lanes, parameters].
        updates: Updates so far.

    Args:
        rule: One of `SLOTS`.
        rates: The hyperparameters of each lane.
        slots: Its memory so far; zeros before the first update.
        updates: Updates so far.
        dtype: The type of the parameters.
    """

    def __init__(self, rule: str, rates: Rates, slots: dict[str, Tensor], updates: int, dtype: torch.dtype) -> None:
        self._rule, self._rates = rule, rates
        self.slots, self.updates = slots, updates
        self._decays = bool((rates.weight_decay != 0).any())
        self._type = dtype
        self._columns = _Columns.of(rates, dtype)

    def select(self, lanes: Tensor) -> None:
        """Keeps some lanes."""
        self._rates = self._rates.select(lanes)
        self._columns = _Columns.of(self._rates, self._type)
        self.slots = {name: slot[lanes] for name, slot in self.slots.items()}

    def update(self, rows: Tensor, gradients: Tensor, lr: Tensor) -> None:
        """One update, in place.

        Args:
            rows: float [lanes, parameters].
            gradients: float [lanes, parameters]; may be overwritten.
            lr: float [lanes, 1].
        """
        self.updates += 1
        if self._decays and self._rule == "adamw":
            rows.mul_(1 - lr * self._columns.weight_decay)
        elif self._decays:
            gradients.addcmul_(rows, self._columns.weight_decay)
        _RULES[self._rule](self, rows, gradients, lr)

    def _sgd(self, rows: Tensor, gradients: Tensor, lr: Tensor) -> None:
        rows.addcmul_(gradients, lr, value=-1)

    def _momentum(self, rows: Tensor, gradients: Tensor, lr: Tensor) -> None:
        velocity = self.slots["momentum_buffer"].mul_(self._columns.momentum).add_(gradients)
        rows.addcmul_(velocity, lr, value=-1)

    def _nesterov(self, rows: Tensor, gradients: Tensor, lr: Tensor) -> None:
        momentum = self._columns.momentum
        velocity = self.slots["momentum_buffer"].mul_(momentum).add_(gradients)
        rows.addcmul_(gradients.addcmul_(velocity, momentum), lr, value=-1)

    def _adagrad(self, rows: Tensor, gradients: Tensor, lr: Tensor) -> None:
        total = self.slots["sum"].addcmul_(gradients, gradients)
        rows.addcdiv_(gradients.mul_(lr), total.sqrt().add_(self._columns.eps), value=-1)

    def _rmsprop(self, rows: Tensor, gradients: Tensor, lr: Tensor) -> None:
        columns, square = self._columns, self.slots["square_avg"]
        square.lerp_(gradients * gradients, columns.square_share)
        rows.addcdiv_(gradients.mul_(lr), square.sqrt().add_(columns.eps), value=-1)

    def _adam(self, rows: Tensor, gradients: Tensor, lr: Tensor) -> None:
        columns, mean, square = self._columns, self.slots["exp_avg"], self.slots["exp_avg_sq"]
        mean.lerp_(gradients, columns.mean_share)
        square.lerp_(gradients.square_(), columns.square_share)
        step = (lr / (1 - self._rates.momentum**self.updates)).to(rows.dtype)
        root = torch.sqrt(1 - self._rates.beta2**self.updates).to(rows.dtype)
        rows.addcdiv_(mean * step, square.sqrt().div_(root).add_(columns.eps), value=-1)


_RULES: Mapping[str, Callable[[RowOptimizer, Tensor, Tensor, Tensor], None]] = {
    "sgd": RowOptimizer._sgd,
    "momentum": RowOptimizer._momentum,
    "nesterov": RowOptimizer._nesterov,
    "adagrad": RowOptimizer._adagrad,
    "rmsprop": RowOptimizer._rmsprop,
    "adam": RowOptimizer._adam,
    "adamw": RowOptimizer._adam,
}


def clip_rows(gradients: Tensor, limit: Tensor) -> None:
    """Scales each lane's gradient down to its limit, in place, as `torch.nn.utils.clip_grad_norm_` does.

    Args:
        gradients: float [lanes, parameters].
        limit: float [lanes, 1], the largest Euclidean norm.
    """
    norm = torch.linalg.vector_norm(gradients, dim=1, keepdim=True)
    gradients.mul_((limit / (norm + 1e-6)).clamp_(max=1.0))
