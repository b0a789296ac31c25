"""Small residual networks for images (He et al., "Deep residual learning for image recognition", CVPR 2016)."""

from dataclasses import dataclass

from torch import nn

from ..parts.initialisation import initialise
from .blocks import Residual
from .cnn import image_shape
from .layers import dropout_layer, make_activation


@dataclass(frozen=True, slots=True)
class ResNetSettings:
    """The hyperparameters of a residual network.

    Attributes:
        stages: Each after the first halves the image and doubles the channels.
        blocks: Basic blocks in a stage, of two convolutions each.
        channels: Filters of the first stage.
        activation: A name in `ACTIVATIONS`.
        dropout: Share of the averaged features that is dropped in training before the last layer, at least 0 and below
            1; None for no dropout layer.
        init: A scheme of `initialise`.
    """

    stages: int = 3
    blocks: int = 1
    channels: int = 16
    activation: str = "relu"
    dropout: float | None = None
    init: str = "auto"


def build_resnet(settings: ResNetSettings, input_shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """A residual network of basic blocks, as the paper has it for small images (section 4.2), with initial weights.

    Batch norm follows every convolution. Shortcuts are identities, or 1x1 convolutions where the shape changes (the
    paper's option B); the features are averaged over the image, so that the network fits any size.

    Args:
        settings: The hyperparameters.
        input_shape: Channels, height and width.
        classes: Logits.

    Returns:
        From images [n, *input_shape] to logits [n, classes].

    Raises:
        TrainerError: The inputs are not images, a name is unknown, or the dropout rate is out of range.
    """
    before, channels = image_shape(input_shape)[0], settings.channels
    layers = [*_convolution(before, channels), make_activation(settings.activation)]
    for stage in range(settings.stages):
        before, channels = channels, settings.channels * 2**stage
        layers.append(_basic_block(before, channels, settings.activation, stride=2 if stage else 1))
        layers += [_basic_block(channels, channels, settings.activation) for _ in range(settings.blocks - 1)]
    # Down to 1x1 torch takes the mean, whose gradient is deterministic on a GPU too.
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), *dropout_layer(settings.dropout)]
    model = nn.Sequential(*layers, nn.Linear(channels, classes))
    initialise(model, settings.init, settings.activation)
    return model


def _basic_block(before: int, after: int, activation: str, stride: int = 1) -> Residual:
    main = nn.Sequential(
        *_convolution(before, after, stride=stride), make_activation(activation), *_convolution(after, after)
    )
    same_shape = before == after and stride == 1
    shortcut = nn.Identity() if same_shape else nn.Sequential(*_convolution(before, after, size=1, stride=stride))
    return Residual(main, shortcut, make_activation(activation))


def _convolution(before: int, after: int, size: int = 3, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(before, after, size, stride, padding=size // 2, bias=False), nn.BatchNorm2d(after)]
