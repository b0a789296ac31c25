"""The activation functions by name, and which of them keep zero at zero."""

from collections.abc import Callable

from torch import nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
"""Each makes a module for inputs of any shape; leaky_relu has the slope 0.01 below 0, gelu is Hendrycks and Gimpel's
(2016, arXiv:1606.08415) with the exact normal distribution function."""

ZERO_AT_ZERO: frozenset[str] = frozenset({"relu", "leaky_relu", "gelu", "tanh"})
"""The activations with f(0) = 0: units that are padded with zero weights stay exactly zero behind them."""
