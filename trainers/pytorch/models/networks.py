"""The networks by the type of their settings."""

from torch import nn

from .cnn import CNNSettings, build_cnn
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
