"""Random changes of an image's geometry: mirrored, cut and turned, partly erased.

Every function takes images [..., C, H, W] of any leading dimensions, for each image a row of uniforms in [0, 1), and a
strength that is broadcast to the leading dimensions. An image that its row leaves alone comes back bit for bit. The few
numbers of a row are best float64: they are rounded to the images' precision once, at the end, so that functions that
are not rounded correctly, such as the cosine, give the same result in every batch.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

ERASED_AREA = (0.02, 0.3)
"""The share of the image that an erased rectangle covers is uniform in this range."""
ERASED_ASPECT = 0.3
"""The quotient of a rectangle's height and width, as shares of the image, is log-uniform from this to its inverse."""


def flip(images: Tensor, probability: float | Tensor, uniforms: Tensor) -> Tensor:
    """Mirrors images left to right, exactly.

    Args:
        images: Float [..., C, H, W].
        probability: From 0 to 1.
        uniforms: [..., 1]: whether.
    """
    return torch.where(_per_image(uniforms[..., 0] < probability), images.flip(-1), images)


def warp(images: Tensor, crop: float | Tensor, degrees: float | Tensor, uniforms: Tensor) -> Tensor:
    """Turns images about their centres, then enlarges a window of each to the whole; interpolated once, bilinearly.

    Beyond the border an image goes on with its border's pixels (`padding_mode="border"`), so that a background stays
    what it is, whatever its value.

    The places to sample are made of products and sums that are each rounded for themselves. `affine_grid` has the same
    formula, but multiplies matrices: in TF32 where a program allows that, and perhaps rounded otherwise in another
    batch.

    Args:
        images: Float [..., C, H, W].
        crop: From 0 to below 1. The window's sides are from 1 - crop to all of the image's, and its centre is up to
            crop / 2 of a side away from the image's, in each direction. So the smallest window lies inside the image.
        degrees: The largest angle in either direction, from 0 to 180.
        uniforms: [..., 4]: the window's size (0: all of the image), its place across (0: left) and down (0: top), the
            angle (0: clockwise, above 0.5: counterclockwise).
    """
    height, width = images.shape[-2:]
    spread = 2 * uniforms[..., 1:] - 1
    size, across, down = 1 - crop * uniforms[..., 0], crop * spread[..., 0], crop * spread[..., 1]
    angle = torch.deg2rad(degrees * spread[..., 2])
    cosine, sine = angle.cos()[..., None], angle.sin()[..., None]
    x = size[..., None] * _centres(width, uniforms) + across[..., None]
    y = size[..., None] * _centres(height, uniforms) + down[..., None]
    grid = torch.stack(
        (
            _outer_sum(cosine * x, -sine * (height / width) * y, images.dtype),
            _outer_sum(sine * (width / height) * x, cosine * y, images.dtype),
        ),
        -1,
    )
    moved = (size != 1) | (across != 0) | (down != 0) | (angle != 0)
    return torch.where(_per_image(moved), _sampled(images, grid), images)


def erase(images: Tensor, probability: float | Tensor, uniforms: Tensor) -> Tensor:
    """Sets a rectangle of each chosen image to 0, the mean of normalised images.

    Random erasing (Zhong et al., AAAI 2020), with areas up to .3 instead of .4 of the image: every rectangle then fits,
    and none has to be drawn again.

    Args:
        images: Float [..., C, H, W].
        probability: From 0 to 1.
        uniforms: [..., 5]: whether; the area, within `ERASED_AREA`; the aspect, within `ERASED_ASPECT`; the place down
            (0: top) and across (0: left).
    """
    low, high = ERASED_AREA
    area = low + (high - low) * uniforms[..., 1]
    aspect = torch.exp(math.log(ERASED_ASPECT) * (1 - 2 * uniforms[..., 2]))
    rows = _span(images.shape[-2], (area * aspect).sqrt(), uniforms[..., 3])
    columns = _span(images.shape[-1], (area / aspect).sqrt(), uniforms[..., 4])
    inside = rows[..., :, None] & columns[..., None, :]
    chosen = uniforms[..., 0] < probability
    return images.masked_fill(_per_image(chosen) & inside[..., None, :, :], 0.0)


def _per_image(values: Tensor) -> Tensor:
    return values[..., None, None, None]


def _centres(pixels: int, like: Tensor) -> Tensor:
    """The centres of a side's pixels where its ends are -1 and 1, as `align_corners=False` has them."""
    return (2 * torch.arange(pixels, dtype=like.dtype, device=like.device) + 1) / pixels - 1


def _outer_sum(x: Tensor, y: Tensor, dtype: torch.dtype) -> Tensor:
    """[..., W] and [..., H] to [..., H, W]."""
    return x.to(dtype)[..., None, :] + y.to(dtype)[..., :, None]


def _sampled(images: Tensor, grid: Tensor) -> Tensor:
    flat, places = images.reshape(-1, *images.shape[-3:]), grid.reshape(-1, *grid.shape[-3:])
    return grid_sample(flat, places, padding_mode="border", align_corners=False).reshape(images.shape)


def _span(pixels: int, share: Tensor, place: Tensor) -> Tensor:
    """A mask of the pixels of a side that a stretch covers: at least one, and as many as come next to the share."""
    length = (share * pixels).round().clamp(1, pixels)
    start = (place * (pixels - length + 1)).floor()[..., None]
    pixel = torch.arange(pixels, device=share.device)
    return (pixel >= start) & (pixel < start + length[..., None])
