"""The networks by the type of their settings, and those of the digits trainer."""

from torch import nn

from .cnn import CNNSettings, build_cnn
from .data import CLASSES, DIGITS, IMAGE_SIZE
from .hyperparameters import Hyperparameters
from .mlp import MLPSettings, build_mlp
from .resnet import ResNetSettings, build_resnet
from .transformer import TransformerSettings, build_transformer

NetworkSettings = MLPSettings | CNNSettings | ResNetSettings | TransformerSettings


def build_network(settings: NetworkSettings, input_shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """The network that settings describe, with initial weights, from inputs [n, *input_shape] to logits [n, classes].

    Raises:
        TrainerError: The settings do not fit the inputs or each other; the message says which.
    """
    match settings:
        case MLPSettings():
            return build_mlp(settings, input_shape, classes)
        case CNNSettings():
            return build_cnn(settings, input_shape, classes)
        case ResNetSettings():
            return build_resnet(settings, input_shape, classes)
        case TransformerSettings():
            return build_transformer(settings, input_shape, classes)


def build_model(settings: Hyperparameters) -> nn.Module:
    """A network of the digits trainer, from normalised rows [n, 64] to logits [n, 10], with initial weights."""
    dropout = settings.dropout or None
    if settings.model == "mlp":
        return build_mlp(
            MLPSettings(
                settings.activation,
                settings.batch_norm,
                init=settings.init,
                widths=(settings.hidden,) * settings.layers,
                dropout=dropout,
            ),
            (IMAGE_SIZE**2,),
            CLASSES,
        )
    cnn = CNNSettings(
        settings.activation,
        settings.batch_norm,
        init=settings.init,
        layers=settings.layers,
        channels=settings.channels,
        hidden=settings.hidden,
        dropout=dropout,
    )
    return nn.Sequential(nn.Unflatten(1, DIGITS.input_shape), *build_cnn(cnn, DIGITS.input_shape, CLASSES))
