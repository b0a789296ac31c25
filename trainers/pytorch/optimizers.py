"""The update rules of the digits trainer, and its learning-rate decay."""

from collections.abc import Iterable

from torch import nn, optim

from .hyperparameters import Hyperparameters


def build_optimizer(settings: Hyperparameters, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """The optimizer that a configuration names, fused where torch has that for the CPU."""
    lr, decay, momentum = settings.lr, settings.weight_decay, settings.momentum
    name, betas = settings.optimizer, (momentum, settings.beta2)
    if name == "rmsprop":
        return optim.RMSprop(parameters, lr, alpha=settings.beta2, weight_decay=decay)
    if name == "adagrad":
        return optim.Adagrad(parameters, lr, weight_decay=decay, fused=True)
    if name == "adam":
        return optim.Adam(parameters, lr, betas, weight_decay=decay, fused=True)
    if name == "adamw":
        return optim.AdamW(parameters, lr, betas, weight_decay=decay, fused=True)
    velocity = 0.0 if name == "sgd" else momentum
    nesterov = name == "nesterov" and velocity > 0
    return optim.SGD(parameters, lr, velocity, weight_decay=decay, nesterov=nesterov, fused=True)


def set_learning_rate(optimizer: optim.Optimizer, settings: Hyperparameters, epoch: int) -> None:
    """Sets the rate of an epoch: lr / (1 + decay * epoch).

    Args:
        optimizer: Changed in place.
        settings: Holds `lr` and `decay`.
        epoch: From 0. The rate depends on nothing else, so there is no schedule to save.
    """
    for group in optimizer.param_groups:
        group["lr"] = settings.lr / (1 + settings.decay * epoch)
