"""The networks of the digits trainer."""

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn

from .data import CLASSES, IMAGE_SIZE
from .hyperparameters import Hyperparameters

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}

_POOLED_LAYERS = 2


def build_model(settings: Hyperparameters) -> nn.Module:
    """A network from normalised images [n, 64] to logits [n, 10], with initial weights."""
    model = _mlp(settings) if settings.model == "mlp" else _cnn(settings)
    initialise(model, settings.init)
    return model


def initialise(model: nn.Module, init: str) -> None:
    """Draws the weights of all linear and convolutional layers and sets their biases to 0.

    Args:
        model: Changed in place.
        init: "he": variance 2 / fan_in, for rectifiers; "xavier": 2 / (fan_in + fan_out).
    """
    for layer in model.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            if init == "he":
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            else:
                nn.init.xavier_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _mlp(settings: Hyperparameters) -> nn.Sequential:
    widths = [IMAGE_SIZE**2] + [settings.hidden] * settings.layers
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += _hidden(before, after, settings)
    return nn.Sequential(*layers, nn.Linear(widths[-1], CLASSES))


def _cnn(settings: Hyperparameters) -> nn.Sequential:
    layers: list[nn.Module] = [_AsImage()]
    channels, size = 1, IMAGE_SIZE
    for index in range(settings.layers):
        layers.append(nn.Conv2d(channels, settings.channels, 3, padding=1, bias=not settings.batch_norm))
        if settings.batch_norm:
            layers.append(nn.BatchNorm2d(settings.channels))
        layers.append(ACTIVATIONS[settings.activation]())
        if index < _POOLED_LAYERS:
            layers.append(nn.MaxPool2d(2))
            size //= 2
        channels = settings.channels
    layers += [nn.Flatten(), *_hidden(channels * size**2, settings.hidden, settings)]
    return nn.Sequential(*layers, nn.Linear(settings.hidden, CLASSES))


def _hidden(before: int, after: int, settings: Hyperparameters) -> list[nn.Module]:
    """A linear layer with what follows it; batch norm makes its bias useless."""
    layers: list[nn.Module] = [nn.Linear(before, after, bias=not settings.batch_norm)]
    if settings.batch_norm:
        layers.append(nn.BatchNorm1d(after))
    layers.append(ACTIVATIONS[settings.activation]())
    if settings.dropout:
        layers.append(nn.Dropout(settings.dropout))
    return layers


class _AsImage(nn.Module):
    """Rows of 64 pixels as images of one channel."""

    def forward(self, rows: Tensor) -> Tensor:
        return rows.view(-1, 1, IMAGE_SIZE, IMAGE_SIZE)
