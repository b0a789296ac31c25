import dataclasses
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from caviar.trainers import TrainerError
from caviar.trainers.pytorch.parts.augmentation import UNIFORMS, AugmentationSettings, augment
from caviar.trainers.pytorch.parts.geometry import warp

STRENGTHS: dict[str, float] = {
    "flip": 0.5,
    "rotate": 20.0,
    "crop": 0.3,
    "brightness": 0.4,
    "contrast": 0.5,
    "saturation": 0.6,
    "erase": 0.5,
}
EVERYTHING = AugmentationSettings(**STRENGTHS)
MIDDLE = 0.5
FLIPPED, SIZE, ACROSS, DOWN, ANGLE, BRIGHTNESS, CONTRAST, SATURATION, ERASED, AREA, ASPECT, TOP, LEFT = range(UNIFORMS)


def batch(images: int = 16, dtype: torch.dtype = torch.float32, seed: int = 3) -> tuple[Tensor, Tensor]:
    """Images of 3 x 10 x 8 and their uniforms."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randn(images, 3, 10, 8, generator=generator, dtype=dtype)
    return pixels, torch.rand(images, UNIFORMS, generator=generator, dtype=dtype)


def row(dtype: torch.dtype = torch.float64, **columns: float) -> Tensor:
    """A row that, at any strength, moves, turns and colours nothing, but for the named columns."""
    names = {"flipped": FLIPPED, "size": SIZE, "across": ACROSS, "down": DOWN, "angle": ANGLE, "erased": ERASED}
    names |= {"brightness": BRIGHTNESS, "contrast": CONTRAST, "saturation": SATURATION}
    names |= {"area": AREA, "aspect": ASPECT, "top": TOP, "left": LEFT}
    uniforms = torch.full((1, UNIFORMS), MIDDLE, dtype=dtype)
    uniforms[0, SIZE] = 0
    for name, value in columns.items():
        uniforms[0, names[name]] = value
    return uniforms


def by_image(value: float, images: int) -> Tensor:
    return torch.full((images,), value)


def test_a_flip_is_that_of_torch_with_the_probability_of_the_strength() -> None:
    images, uniforms = batch()
    flipped = augment(images, AugmentationSettings(flip=0.4), uniforms)
    for image, original, uniform in zip(flipped, images, uniforms[:, FLIPPED], strict=True):
        assert torch.equal(image, original.flip(-1) if uniform < 0.4 else original)


@pytest.mark.parametrize(("angle", "quarters"), [(0.75, 1), (0.25, -1), (0.0, 2)])
def test_quarter_turns_are_those_of_torch(angle: float, quarters: int) -> None:
    images = batch(1, torch.float64)[0][..., :8, :]
    turned = augment(images, AugmentationSettings(rotate=180.0), row(angle=angle))
    torch.testing.assert_close(turned, torch.rot90(images, quarters, (-2, -1)), atol=1e-12, rtol=0)


def test_a_turned_image_keeps_its_shapes_although_its_sides_differ() -> None:
    images = torch.zeros(1, 1, 5, 9, dtype=torch.float64)
    images[0, 0, 2, 3:6] = 1
    turned = augment(images, AugmentationSettings(rotate=180.0), row(angle=0.75))
    upright = torch.zeros_like(images)
    upright[0, 0, 1:4, 4] = 1
    torch.testing.assert_close(turned, upright, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("across", "down"), [(0.0, 0.0), (0.5, 0.5), (0.25, 0.75)])
def test_the_smallest_window_lies_inside_and_moves_by_whole_pixels(across: float, down: float) -> None:
    x = torch.arange(8, dtype=torch.float64)
    ramp = (10 * x[:, None] + x).expand(1, 1, 8, 8)
    cut = warp(ramp, 0.5, 0.0, torch.tensor([[1.0, across, down, MIDDLE]], dtype=torch.float64))
    # A window of 4 pixels a side, enlarged twice: two samples a pixel, a quarter of a pixel from its centre.
    places = (torch.arange(8, dtype=torch.float64) - 0.5) / 2
    expected = 10 * (places + 4 * down).clamp(0, 7)[:, None] + (places + 4 * across).clamp(0, 7)
    torch.testing.assert_close(cut[0, 0], expected)


def test_a_whole_window_that_shifts_goes_on_with_the_border() -> None:
    images = batch(1, torch.float64)[0]
    shifted = augment(images, AugmentationSettings(crop=0.5), row(across=0.0))
    expected = torch.cat((images[..., :1].expand(-1, -1, -1, 2), images[..., :6]), -1)
    torch.testing.assert_close(shifted, expected)


def test_the_places_to_sample_are_those_of_affine_grid() -> None:
    images, uniforms = batch(dtype=torch.float64)
    height, width = images.shape[-2:]
    size = 1 - 0.3 * uniforms[:, SIZE]
    x, y = (0.3 * (2 * uniforms[:, column] - 1) for column in (ACROSS, DOWN))
    angle = torch.deg2rad(20 * (2 * uniforms[:, ANGLE] - 1))
    cosine, sine = angle.cos(), angle.sin() * height / width
    upper = torch.stack((size * cosine, -size * sine, cosine * x - sine * y), -1)
    sine = angle.sin() * width / height
    lower = torch.stack((size * sine, size * cosine, sine * x + cosine * y), -1)
    grid = affine_grid(torch.stack((upper, lower), 1), list(images.shape), align_corners=False)
    expected = grid_sample(images, grid, padding_mode="border", align_corners=False)
    ours = augment(images, AugmentationSettings(rotate=20.0, crop=0.3), uniforms)
    torch.testing.assert_close(ours, expected, atol=1e-12, rtol=0)


def test_brightness_is_added_to_all_pixels() -> None:
    images = batch(1, torch.float64)[0]
    brighter = augment(images, AugmentationSettings(brightness=0.4), row(brightness=0.75))
    torch.testing.assert_close(brighter, images + 0.2)


def test_contrast_scales_the_distance_from_the_mean_of_the_image() -> None:
    images = batch(1, torch.float64)[0]
    flatter = augment(images, AugmentationSettings(contrast=0.4), row(contrast=0.25))
    torch.testing.assert_close(flatter, images.mean() + 0.8 * (images - images.mean()))


def test_saturation_scales_the_distance_from_grey() -> None:
    images = batch(1, torch.float64)[0]
    grey = torch.einsum("c,nchw->nhw", torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64), images)[:, None]
    dull = augment(images, AugmentationSettings(saturation=1.0), row(saturation=0.0))
    torch.testing.assert_close(dull, grey.expand_as(images))
    vivid = augment(images, AugmentationSettings(saturation=1.0), row(saturation=0.75))
    torch.testing.assert_close(vivid, grey + 1.5 * (images - grey))


def test_an_image_of_one_channel_has_no_colour_to_change() -> None:
    images, uniforms = batch()
    assert torch.equal(augment(images[:, :1], AugmentationSettings(saturation=1.0), uniforms), images[:, :1])


def test_an_erased_rectangle_has_the_area_aspect_and_place_of_its_uniforms() -> None:
    images = torch.ones(1, 3, 20, 20)
    uniforms = row(torch.float32, erased=0.1, area=(0.16 - 0.02) / 0.28, aspect=0.5, top=0.5, left=0.999)
    erased = augment(images, AugmentationSettings(erase=0.2), uniforms)
    expected = images.clone()
    expected[..., 6:14, 12:] = 0
    assert torch.equal(erased, expected)


def test_the_shares_of_erased_images_and_areas_are_those_that_are_promised() -> None:
    uniforms = torch.rand(4000, UNIFORMS, generator=torch.Generator().manual_seed(5))
    kept = augment(torch.ones(4000, 1, 40, 40), AugmentationSettings(erase=0.3), uniforms)
    areas = 1 - kept.mean((1, 2, 3))
    touched = areas > 0
    assert touched.float().mean().item() == pytest.approx(0.3, abs=0.025)
    assert areas[touched].mean().item() == pytest.approx(0.16, abs=0.01)
    assert 0.015 < areas[touched].min() < 0.03
    assert 0.28 < areas[touched].max() < 0.32


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_an_erased_rectangle_is_never_empty_and_always_fits(area: float, aspect: float, place: float) -> None:
    uniforms = row(erased=0.0, area=area, aspect=aspect, top=place, left=place)
    erased = augment(torch.ones(1, 1, 8, 6), AugmentationSettings(erase=1.0), uniforms)[0, 0] == 0
    rows, columns = erased.any(1).sum(), erased.any(0).sum()
    assert erased.sum() == rows * columns > 0
    assert (rows - 8 * (area * 0.28 + 0.02) ** 0.5 * 0.3 ** (MIDDLE - aspect)).abs() <= 0.5 + 1e-6 or rows == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_image_in_a_batch_becomes_what_it_becomes_alone(dtype: torch.dtype) -> None:
    images, uniforms = batch(dtype=dtype)
    together = augment(images, EVERYTHING, uniforms)
    alone = [augment(images[i : i + 1], EVERYTHING, uniforms[i : i + 1]) for i in range(len(images))]
    assert together.dtype == dtype
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=0 if dtype == torch.float32 else 1e-15)


def test_rows_that_change_places_give_images_that_change_places() -> None:
    images, uniforms = batch()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(1))
    assert torch.equal(
        augment(images, EVERYTHING, uniforms)[order], augment(images[order], EVERYTHING, uniforms[order])
    )


def test_trials_of_different_strengths_in_one_batch_see_the_images_that_they_see_alone() -> None:
    images, uniforms = batch(24)
    lanes, rows = images.view(3, 8, 3, 10, 8), uniforms.view(3, 8, UNIFORMS)
    shares = (0.0, 0.5, 1.0)
    each = [AugmentationSettings(**{name: share * STRENGTHS[name] for name in STRENGTHS}) for share in shares]
    alone = torch.stack([augment(lanes[i], each[i], rows[i]) for i in range(3)])
    fused: dict[str, Any] = {name: torch.tensor([getattr(settings, name) for settings in each]) for name in STRENGTHS}
    by_lane = AugmentationSettings(**{name: value[:, None] for name, value in fused.items()})
    assert torch.equal(augment(lanes, by_lane, rows), alone)
    by_row = AugmentationSettings(**{name: value.repeat_interleave(8) for name, value in fused.items()})
    assert torch.equal(augment(images, by_row, uniforms).view_as(alone), alone)
    assert torch.equal(alone[0], lanes[0])

    def mapped(images: Tensor, strengths: dict[str, Any], uniforms: Tensor) -> Tensor:
        return augment(images, AugmentationSettings(**strengths), uniforms)

    assert torch.equal(torch.func.vmap(mapped)(lanes, fused, rows), alone)


def test_everything_is_off_by_default_and_gives_the_images_back() -> None:
    images, uniforms = batch()
    assert augment(images, AugmentationSettings(), uniforms) is images


@pytest.mark.parametrize("name", STRENGTHS)
def test_strength_zero_leaves_an_image_bit_for_bit_beside_others_that_change(name: str) -> None:
    images, uniforms = batch()
    uniforms[:, [FLIPPED, ERASED]] = 0.1
    strengths = by_image(STRENGTHS[name], len(images))
    strengths[::2] = 0
    changed: dict[str, Any] = {name: strengths}
    result = augment(images, AugmentationSettings(**changed), uniforms)
    assert torch.equal(result[::2], images[::2])
    assert not any(torch.equal(new, old) for new, old in zip(result[1::2], images[1::2], strict=True))


def test_nothing_is_changed_in_place() -> None:
    images, uniforms = batch()
    before = images.clone(), uniforms.clone()
    with torch.no_grad():
        augment(images, EVERYTHING, uniforms)
    assert torch.equal(images, before[0])
    assert torch.equal(uniforms, before[1])


def test_gradients_flow_to_the_images() -> None:
    images, uniforms = batch(2, torch.float64)
    assert torch.autograd.gradcheck(lambda x: augment(x, EVERYTHING, uniforms), images.requires_grad_())


def test_no_value_has_to_be_known_before_the_device_has_it() -> None:
    images, uniforms = (tensor.to("meta") for tensor in batch())
    strengths: dict[str, Any] = {name: by_image(1.0, len(images)).to("meta") for name in STRENGTHS}
    assert augment(images, AugmentationSettings(**strengths), uniforms).shape == images.shape


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_images_of_the_cpu() -> None:
    images, uniforms = batch()
    on_gpu = augment(images.cuda(), EVERYTHING, uniforms.cuda())
    torch.testing.assert_close(on_gpu.cpu(), augment(images, EVERYTHING, uniforms), atol=1e-4, rtol=1e-4)
    alone = augment(images[:1].cuda(), EVERYTHING, uniforms[:1].cuda())
    assert torch.equal(on_gpu[:1], alone)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("flip", 1.5, "from 0 to 1"),
        ("crop", 1.0, "at least 0 and below 1"),
        ("rotate", 200.0, "from 0 to 180 degrees"),
        ("brightness", float("inf"), "a number of at least 0"),
        ("contrast", -0.1, "from 0 to 1"),
        ("mixup", float("nan"), "a number of at least 0"),
    ],
)
def test_a_strength_out_of_its_range_is_refused(name: str, value: float, allowed: str) -> None:
    with pytest.raises(TrainerError, match=f"^{name} of the augmentation is {value}: it should be {allowed}$"):
        AugmentationSettings(**{name: value})


def test_what_does_not_fit_is_refused() -> None:
    images, uniforms = batch()
    with pytest.raises(TrainerError, match=r"are \[16, 3, 10, 8\] and the uniforms \[16, 12\]"):
        augment(images, EVERYTHING, uniforms[:, 1:])
    with pytest.raises(TrainerError, match=r"flip of the augmentation is a tensor of \[5\]: .* broadcast to \[16\]"):
        augment(images, dataclasses.replace(EVERYTHING, flip=torch.zeros(5)), uniforms)
    with pytest.raises(TrainerError, match=r"images to augment are torch\.uint8: they should be floats"):
        augment(images.byte(), EVERYTHING, uniforms)
    with pytest.raises(TrainerError, match="the images have 2 channels: only images of 1 or 3 channels"):
        augment(images[:, :2], EVERYTHING, uniforms)
