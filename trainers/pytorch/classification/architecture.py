"""The hyperparameters of the classifier's network, and what they mean for each kind of it."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, TypeVar

from pydantic import Field

from ..lanes.recipe import Settings
from ..models.cnn import CNNSettings
from ..models.mlp import MLPSettings
from ..models.networks import NetworkSettings
from ..models.resnet import ResNetSettings
from ..models.transformer import TransformerSettings

AnyNetwork = TypeVar("AnyNetwork")


class Architecture(Settings):
    """The hyperparameters of a classifier's network. A name that a configuration lacks has the default.

    Attributes:
        model: A multilayer perceptron, a convolutional network, a residual network, or a transformer.
        hidden: Units of each hidden layer of an MLP, of the last one in a CNN, and inside the blocks of a transformer.
        layers: Hidden layers of an MLP, convolutional layers of a CNN, blocks of a transformer.
        channels: Filters of a convolutional layer; of the first stage in a residual network.
        stages: Stages of a residual network; each after the first halves the image and doubles the channels.
        blocks: Blocks in a stage of a residual network, of two convolutions each.
        width: Numbers in a token of a transformer.
        heads: Heads of each attention in a transformer.
        patch: Height and width of an image's patches, in a transformer.
        activation: Between layers.
        init: Normal initial weights, scaled as in He et al. (2015) or Glorot and Bengio (2010); auto goes by the
            activation.
        dropout: Share of hidden units that is dropped in training; no dropout layers when absent.
        batch_norm: Whether the layers of an MLP or a CNN are normalised over the batch.
        norm_place: Before or after the activation.
    """

    model: Literal["mlp", "cnn", "resnet", "transformer"] = "mlp"
    hidden: int = Field(64, ge=1)
    layers: int = Field(2, ge=1, le=32)
    channels: int = Field(16, ge=1)
    stages: int = Field(3, ge=1, le=6)
    blocks: int = Field(1, ge=1, le=32)
    width: int = Field(64, ge=1)
    heads: int = Field(4, ge=1)
    patch: int = Field(4, ge=1)
    activation: Literal["relu", "leaky_relu", "gelu", "tanh", "sigmoid"] = "relu"
    init: Literal["auto", "he", "xavier"] = "auto"
    dropout: float | None = Field(None, ge=0, lt=1)
    batch_norm: bool = False
    norm_place: Literal["before", "after"] = "before"


def network_settings(config: Mapping[str, Any]) -> NetworkSettings:
    """The settings of the network that a configuration describes, for `build_network`.

    Args:
        config: May hold other names; `dropout_1`, `dropout_2` … are the rates of an MLP's layers one by one.

    Raises:
        TrainerError: A value is out of its range.
    """
    network = Architecture.read(config)
    if network.model == "mlp":
        widths = (network.hidden,) * network.layers
        return _settings(MLPSettings, network, widths=widths, dropout=_rates(config, network))
    if network.model == "transformer":
        return _settings(TransformerSettings, network, depth=network.layers)
    return _settings(CNNSettings, network) if network.model == "cnn" else _settings(ResNetSettings, network)


def _settings(kind: type[AnyNetwork], architecture: Architecture, **own: Any) -> AnyNetwork:
    """The settings of a kind of network: those of the architecture by the same names, and its own."""
    names = {field.name for field in fields(kind)} & set(Architecture.model_fields)  # type: ignore[arg-type]
    return kind(**{**{name: getattr(architecture, name) for name in names}, **own})


def _rates(config: Mapping[str, Any], architecture: Architecture) -> tuple[float, ...] | None:
    """The dropout of each layer of an MLP; None where no layer has one."""
    rates = [config.get(f"dropout_{layer + 1}", architecture.dropout) for layer in range(architecture.layers)]
    return None if rates == [None] * len(rates) else tuple(rate or 0.0 for rate in rates)
