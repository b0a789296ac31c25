"""Random changes of an image's colours: brightness, contrast and saturation.

Every function takes images [..., C, H, W] of any leading dimensions, for each image a row of one uniform in [0, 1), and
a strength that is broadcast to the leading dimensions. At strength 0 an image keeps its values. Pixels may be in any
unit and about any zero, as in normalised images, and are therefore not clamped.
"""

import torch
from torch import Tensor

from ...errors import TrainerError

LUMA = (0.299, 0.587, 0.114)
"""The weights of red, green and blue in the grey level of a pixel (ITU-R BT.601)."""


def brighten(images: Tensor, strength: float | Tensor, uniforms: Tensor) -> Tensor:
    """Adds one number to all pixels of an image, uniform in ±strength, in the unit of the pixels.

    Args:
        images: Float [..., C, H, W].
        strength: At least 0; for normalised images, a share of their standard deviation.
        uniforms: [..., 1].
    """
    return images + _amount(strength, uniforms, images.dtype)


def contrast(images: Tensor, strength: float | Tensor, uniforms: Tensor) -> Tensor:
    """Scales what differs from the image's mean by a factor that is uniform in 1 ± strength.

    Args:
        images: Float [..., C, H, W].
        strength: From 0 to 1.
        uniforms: [..., 1].
    """
    # The order in which torch adds depends on the batch; in float64 that stays below the images' last bit.
    mean = images.mean((-3, -2, -1), keepdim=True, dtype=torch.float64).to(images.dtype)
    return images + _amount(strength, uniforms, images.dtype) * (images - mean)


def saturate(images: Tensor, strength: float | Tensor, uniforms: Tensor) -> Tensor:
    """Scales what differs from a pixel's grey level by a factor that is uniform in 1 ± strength.

    Args:
        images: Float [..., C, H, W] of red, green and blue; images of one channel have no colour and stay as they are.
        strength: From 0 to 1.
        uniforms: [..., 1].

    Raises:
        TrainerError: The images have neither one channel nor three.
    """
    channels = images.shape[-3]
    if channels == 1:
        return images
    if channels != len(LUMA):
        raise TrainerError(f"the images have {channels} channels: only images of 1 or 3 channels have a saturation")
    red, green, blue = (images.narrow(-3, channel, 1) for channel in range(channels))
    grey = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
    return images + _amount(strength, uniforms, images.dtype) * (images - grey)


def _amount(strength: float | Tensor, uniforms: Tensor, dtype: torch.dtype) -> Tensor:
    """Uniform in ±strength, [..., 1, 1, 1]."""
    return (strength * (2 * uniforms[..., 0] - 1)).to(dtype)[..., None, None, None]
