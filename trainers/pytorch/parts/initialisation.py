"""Initial weights: He's and Glorot's normal draws, and which of them suits an activation."""

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from ...errors import TrainerError
from .activations import ACTIVATIONS

SCHEMES = ("auto", "he", "xavier")

_SATURATING = frozenset({"tanh", "sigmoid"})
_LEAKY_SLOPE = nn.LeakyReLU().negative_slope


def initialise(
    model: nn.Module,
    scheme: str = "auto",
    activation: str = "relu",
    generator: torch.Generator | None = None,
) -> None:
    """Draws the weights of all linear and convolutional layers, the output layer's too, and sets their biases to 0.

    The draws are normal with mean 0 and the variance

    - "he": 2 / fan_in, and 2 / ((1 + slope^2) fan_in) for leaky_relu (He et al. 2015, arXiv:1502.01852, eq. 10 and 15);
      gelu has the variance of relu, which it approaches away from 0;
    - "xavier": 2 / (fan_in + fan_out) (Glorot and Bengio 2010, eq. 12, with a normal for the uniform distribution);
    - "auto": xavier for tanh and sigmoid, he for the others.

    Normalisation layers, embeddings and parameters outside these layers stay as they are; PyTorch starts a
    normalisation at scale 1 and shift 0.

    Args:
        model: Changed in place.
        scheme: One of `SCHEMES`.
        activation: A name in `ACTIVATIONS`: what follows the hidden layers.
        generator: On the weights' device; None for the global one.

    Raises:
        TrainerError: There is no such scheme or activation.
    """
    if scheme not in SCHEMES:
        raise TrainerError(f"the initialisation is {scheme!r}: it can be {', '.join(SCHEMES)}")
    if activation not in ACTIVATIONS:
        raise TrainerError(f"the activation is {activation!r}: it can be {', '.join(ACTIVATIONS)}")
    he = scheme == "he" or (scheme == "auto" and activation not in _SATURATING)
    slope = _LEAKY_SLOPE if activation == "leaky_relu" else 0.0
    for layer in model.modules():
        if isinstance(layer, nn.Linear | _ConvNd):
            _draw(layer, slope if he else None, generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _draw(layer: nn.Linear | _ConvNd, slope: float | None, generator: torch.Generator | None) -> None:
    """Draws a layer's weights: He's with the slope below 0, or Glorot's where that is None."""
    if slope is None:
        nn.init.xavier_normal_(layer.weight, generator=generator)
        return
    # A transposed convolution keeps its weights as [in, out, ...], so torch's two fans are exchanged.
    if isinstance(layer, _ConvNd) and layer.transposed:
        nn.init.kaiming_normal_(layer.weight, slope, mode="fan_out", generator=generator)
    else:
        nn.init.kaiming_normal_(layer.weight, slope, generator=generator)
