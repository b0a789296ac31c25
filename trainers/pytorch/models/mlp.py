"""Multilayer perceptrons, for tables and for small images."""

from dataclasses import dataclass
from itertools import pairwise
from math import prod

from torch import nn

from ...errors import TrainerError
from ..parts.initialisation import initialise
from .layers import LayerSettings, dense_layer


@dataclass(frozen=True, slots=True)
class MLPSettings(LayerSettings):
    """The hyperparameters of a multilayer perceptron, beside those of its layers.

    Attributes:
        widths: Units of each hidden layer; () for a linear classifier.
        dropout: Share of each hidden layer's units that is dropped in training, one for all layers or one for each, at
            least 0 and below 1; None for no dropout layers.
    """

    widths: tuple[int, ...] = (64, 64)
    dropout: float | tuple[float, ...] | None = None


def build_mlp(settings: MLPSettings, input_shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """A multilayer perceptron with initial weights, from inputs [n, *input_shape] to logits [n, classes].

    Raises:
        TrainerError: A name is unknown, a dropout rate is out of range, or there is not one rate for each layer.
    """
    layers: list[nn.Module] = [nn.Flatten()] if len(input_shape) > 1 else []
    widths = (prod(input_shape), *settings.widths)
    for (inputs, outputs), rate in zip(pairwise(widths), _rates(settings), strict=True):
        layers += dense_layer(inputs, outputs, settings, rate)
    model = nn.Sequential(*layers, nn.Linear(widths[-1], classes))
    initialise(model, settings.init, settings.activation)
    return model


def _rates(settings: MLPSettings) -> tuple[float | None, ...]:
    rates, layers = settings.dropout, len(settings.widths)
    if not isinstance(rates, tuple):
        return (rates,) * layers
    if len(rates) != layers:
        raise TrainerError(f"dropout has {len(rates)} rates for {layers} hidden layers: it should have one for each")
    return rates
