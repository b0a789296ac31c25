"""Hidden layers: a linear or convolutional layer with its normalisation, activation and dropout."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import nn

from ...errors import TrainerError
from ..parts.activations import ACTIVATIONS
from ..parts.dropout import Dropout

NormPlace = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class LayerSettings:
    """The hyperparameters that all hidden layers of a plain network share.

    Attributes:
        activation: A name in `ACTIVATIONS`.
        batch_norm: Whether layers are normalised over the batch (Ioffe and Szegedy, ICML 2015).
        norm_place: Whether that is done before the activation, as in the paper, or after it.
        init: A scheme of `initialise`.
    """

    activation: str = "relu"
    batch_norm: bool = False
    norm_place: NormPlace = "before"
    init: str = "auto"

    @property
    def bias(self) -> bool:
        """True where a layer needs a bias of its own: a norm right behind it subtracts the mean, and a bias with it."""
        return not (self.batch_norm and self.norm_place == "before")


def dense_layer(before: int, after: int, settings: LayerSettings, rate: float | None) -> list[nn.Module]:
    """A hidden layer of units.

    Args:
        before: Units that come in.
        after: Units that go out.
        settings: The settings of the network.
        rate: Share of the units that is dropped in training; None for no dropout layer.

    Raises:
        TrainerError: An unknown activation or place of the norm, or a rate out of range.
    """
    linear = nn.Linear(before, after, bias=settings.bias)
    return [linear, *_normalised_activation(nn.BatchNorm1d, after, settings), *dropout_layer(rate)]


def conv_layer(before: int, after: int, settings: LayerSettings) -> list[nn.Module]:
    """A hidden layer of 3x3 filters, which keeps the height and the width.

    Args:
        before: Channels that come in.
        after: Channels that go out.
        settings: The settings of the network.

    Raises:
        TrainerError: An unknown activation or place of the norm.
    """
    filters = nn.Conv2d(before, after, 3, padding=1, bias=settings.bias)
    return [filters, *_normalised_activation(nn.BatchNorm2d, after, settings)]


def make_activation(name: str) -> nn.Module:
    """The activation of a name.

    Raises:
        TrainerError: There is no such activation.
    """
    if name not in ACTIVATIONS:
        raise TrainerError(f"the activation is {name!r}: it can be {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]()


def dropout_layer(rate: float | None) -> list[nn.Module]:
    """A dropout layer, of any rate, 0 too, so that models that differ in their rates have one structure; none for None.

    Raises:
        TrainerError: The rate is out of range.
    """
    if rate is None:
        return []
    if not 0 <= rate < 1:
        raise TrainerError(f"dropout is {rate!r}: it should be at least 0 and below 1")
    return [Dropout(rate)]


def _normalised_activation(norm: Callable[[int], nn.Module], units: int, settings: LayerSettings) -> list[nn.Module]:
    activation = make_activation(settings.activation)
    if settings.norm_place not in ("before", "after"):
        raise TrainerError(f"norm_place is {settings.norm_place!r}: it can be before or after (the activation)")
    if not settings.batch_norm:
        return [activation]
    return [norm(units), activation] if settings.norm_place == "before" else [activation, norm(units)]
