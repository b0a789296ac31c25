"""Plain convolutional networks, for images of any size and number of channels."""

from dataclasses import dataclass

from torch import nn

from ...errors import TrainerError
from ..parts.initialisation import initialise
from .layers import LayerSettings, conv_layer, dense_layer


@dataclass(frozen=True, slots=True)
class CNNSettings(LayerSettings):
    """The hyperparameters of a plain convolutional network, beside those of its layers.

    Attributes:
        layers: Convolutional layers.
        channels: Filters of each of them.
        hidden: Units of the dense layer behind them.
        dropout: Share of the dense layer's units that is dropped in training, at least 0 and below 1; None for no
            dropout layer.
    """

    layers: int = 2
    channels: int = 16
    hidden: int = 64
    dropout: float | None = None


def build_cnn(settings: CNNSettings, input_shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """A stack of 3x3 convolutions and a dense layer, with initial weights.

    Max-pooling halves the image after each of the first convolutions, while it is larger than 2x2.

    Args:
        settings: The hyperparameters.
        input_shape: Channels, height and width.
        classes: Logits.

    Returns:
        From images [n, *input_shape] to logits [n, classes].

    Raises:
        TrainerError: The inputs are not images, a name is unknown, or the dropout rate is out of range.
    """
    channels, height, width = image_shape(input_shape)
    layers: list[nn.Module] = []
    for _ in range(settings.layers):
        layers += conv_layer(channels, settings.channels, settings)
        channels = settings.channels
        if min(height, width) > 2:
            layers.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
    layers += [nn.Flatten(), *dense_layer(channels * height * width, settings.hidden, settings, settings.dropout)]
    model = nn.Sequential(*layers, nn.Linear(settings.hidden, classes))
    initialise(model, settings.init, settings.activation)
    return model


def image_shape(input_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Channels, height and width of the inputs of a network that needs images.

    Raises:
        TrainerError: The inputs are no images.
    """
    if len(input_shape) != 3:
        raise TrainerError(
            f"the inputs have the shape {input_shape}: a convolutional network needs images of channels, "
            "height and width"
        )
    channels, height, width = input_shape
    return channels, height, width
