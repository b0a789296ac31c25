"""Data augmentation of a batch of images on their device, by random numbers that are handed over.

`augment` needs nothing else of Caviar:

    settings = AugmentationSettings(crop=0.2, rotate=10.0)
    images = augment(images, settings, torch.rand(len(images), UNIFORMS, generator=generator))

The outcome for an image depends on its own row of uniforms alone, so it is the same in every batch, alone or beside
the images of other trials, for which `noise.uniforms` makes rows by the trial's seed and the place in its training.
The transforms of torchvision and kornia draw from global generators, once for a batch or in the order of the calls, and
cannot be keyed by image.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import TrainerError
from .colour import brighten, contrast, saturate
from .geometry import erase, flip, warp

Strength = float | Tensor
"""A number for all images, or a tensor that is broadcast to the images' leading dimensions; rounded to the precision of
the uniforms, so that both give the same image."""

UNIFORMS = 13
"""Random numbers for each image, in columns:

0: whether it is flipped; 1: the window's size, 2: its place across, 3: and down; 4: the angle; 5: brightness;
6: contrast; 7: saturation; 8: whether it is erased, 9: the rectangle's area, 10: its aspect, 11: its place down,
12: and across.
"""


@dataclass(frozen=True, slots=True, eq=False)
class AugmentationSettings:
    """Strengths of the changes of images, in the order in which they happen; 0 is off.

    The data decides which changes leave a label true: a mirrored cat is a cat, a mirrored digit is no digit. So all
    are off by default.

    Attributes:
        flip: The probability that an image is mirrored left to right, from 0 to 1.
        rotate: The largest angle in degrees, in either direction, from 0 to 180.
        crop: The largest share by which the visible window shrinks and shifts, from 0 to below 1: see `geometry.warp`.
        brightness: The largest number that is added to all pixels, in their unit; at least 0.
        contrast: The largest relative change of the distance from the image's mean, from 0 to 1.
        saturation: The largest relative change of the distance from grey, from 0 to 1.
        erase: The probability that a rectangle is set to 0, from 0 to 1; it covers 2 to 30 % of the image.
        mixup: The alpha of `mixup`, at least 0. `augment` leaves it alone: it is the one that changes targets.

    Raises:
        TrainerError: A strength is out of its range; only floats are looked at, because the values of a tensor may have
            to be waited for.
    """

    flip: Strength = 0.0
    rotate: Strength = 0.0
    crop: Strength = 0.0
    brightness: Strength = 0.0
    contrast: Strength = 0.0
    saturation: Strength = 0.0
    erase: Strength = 0.0
    mixup: Strength = 0.0

    def __post_init__(self) -> None:
        for name, (allowed, is_allowed) in _RANGES.items():
            value = getattr(self, name)
            if not isinstance(value, Tensor) and not is_allowed(value):
                raise TrainerError(f"{name} of the augmentation is {value!r}: it should be {allowed}")


_Range = tuple[str, Callable[[float], bool]]

_SHARE: _Range = ("from 0 to 1", lambda value: 0 <= value <= 1)
_AMOUNT: _Range = ("a number of at least 0", lambda value: 0 <= value < math.inf)
_RANGES: dict[str, _Range] = {
    "flip": _SHARE,
    "rotate": ("from 0 to 180 degrees", lambda value: 0 <= value <= 180),
    "crop": ("at least 0 and below 1", lambda value: 0 <= value < 1),
    "brightness": _AMOUNT,
    "contrast": _SHARE,
    "saturation": _SHARE,
    "erase": _SHARE,
    "mixup": _AMOUNT,
}

_TRANSFORMS: tuple[tuple[Callable[..., Tensor], tuple[str, ...], slice], ...] = (
    (flip, ("flip",), slice(0, 1)),
    (warp, ("crop", "rotate"), slice(1, 5)),
    (brighten, ("brightness",), slice(5, 6)),
    (contrast, ("contrast",), slice(6, 7)),
    (saturate, ("saturation",), slice(7, 8)),
    (erase, ("erase",), slice(8, UNIFORMS)),
)
"""Each with the strengths and the columns that it takes, in the order of their use."""


def augment(images: Tensor, settings: AugmentationSettings, uniforms: Tensor) -> Tensor:
    """Changes each image by its own row of random numbers, without waiting for the device.

    A change that is off as a float costs nothing. Works under `torch.func.vmap`, and gradients flow to the images.

    Args:
        images: Float [..., C, H, W], with any leading dimensions, such as [n] or [lanes, n]; on any scale.
        settings: The strengths; tensors have the leading dimensions of the images or are broadcast to them.
        uniforms: Float [..., UNIFORMS] in [0, 1), on the device of the images.

    Returns:
        Like `images`, of which nothing is changed in place.

    Raises:
        TrainerError: The shapes do not fit, the images are integers, or their colours have no saturation.
    """
    _check(images, uniforms)
    rows = uniforms.double()
    for transform, names, columns in _TRANSFORMS:
        values = [getattr(settings, name) for name in names]
        if any(isinstance(value, Tensor) or value for value in values):
            strengths = [_strength(name, value, uniforms) for name, value in zip(names, values, strict=True)]
            images = transform(images, *strengths, rows[..., columns])
    return images


def _check(images: Tensor, uniforms: Tensor) -> None:
    if not images.is_floating_point():
        raise TrainerError(f"the images to augment are {images.dtype}: they should be floats")
    if uniforms.shape != (*images.shape[:-3], UNIFORMS):
        raise TrainerError(
            f"the images to augment are {list(images.shape)} and the uniforms {list(uniforms.shape)}: "
            f"for [..., C, H, W] they should be [..., {UNIFORMS}]"
        )


def _strength(name: str, value: Strength, uniforms: Tensor) -> Tensor:
    """One number for each image, in float64 but as exact as the uniforms."""
    images = uniforms.shape[:-1]
    if not isinstance(value, Tensor):
        return torch.full(images, value, dtype=uniforms.dtype, device=uniforms.device).double()
    try:
        return value.to(uniforms).expand(images).double()
    except RuntimeError:
        raise TrainerError(
            f"{name} of the augmentation is a tensor of {list(value.shape)}: it should broadcast to {list(images)}"
        ) from None
