import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caviar.trainers.pytorch.parts.standardise import PER_CHANNEL, Standardiser


@given(seed=st.integers(0, 1000), offset=st.floats(-1e6, 1e6), scale=st.floats(0.1, 1e4))
def test_the_training_part_has_mean_0_and_deviation_1_in_every_feature(seed: int, offset: float, scale: float) -> None:
    train = np.random.default_rng(seed).normal(offset, scale, (50, 3))
    standardised = Standardiser.fit(train).apply(train)
    assert standardised.dtype == np.float32
    assert standardised.mean(0) == pytest.approx(np.zeros(3), abs=1e-4)
    assert standardised.std(0) == pytest.approx(np.ones(3), abs=1e-4)


def test_other_parts_are_moved_and_scaled_as_the_training_part() -> None:
    standardiser = Standardiser.fit(np.array([[0.0], [2.0]]))
    assert standardiser.apply(np.array([[1.0], [4.0]])).tolist() == [[0.0], [3.0]]


@pytest.mark.parametrize("constant", [0.0, 0.1, -7.0, 1e9 / 3])
def test_a_constant_feature_is_centred_and_not_scaled(constant: float) -> None:
    train = np.full((1000, 1), constant)
    standardiser = Standardiser.fit(train)
    assert standardiser.deviation.tolist() == [[1.0]]
    assert standardiser.apply(train) == pytest.approx(np.zeros((1000, 1)), abs=1e-6)


def test_a_small_deviation_beside_a_large_mean_is_kept() -> None:
    seconds = 1.7e9 + np.arange(10.0)[:, None]
    assert Standardiser.fit(seconds).apply(seconds).std() == pytest.approx(1, abs=1e-4)


def test_pixels_of_a_channel_share_a_mean_and_a_deviation() -> None:
    images = np.random.default_rng(0).normal(size=(20, 3, 4, 5)) * [[[[1]], [[5]], [[9]]]] + [[[[1]], [[2]], [[3]]]]
    standardiser = Standardiser.fit(images, PER_CHANNEL)
    assert standardiser.mean.shape == (1, 3, 1, 1)
    assert standardiser.deviation.ravel() == pytest.approx([1, 5, 9], rel=0.1)
    assert standardiser.apply(images).std((0, 2, 3)) == pytest.approx(np.ones(3), abs=1e-4)


def test_all_pixels_can_share_one() -> None:
    standardiser = Standardiser.fit(np.array([[0, 255], [255, 0]], np.uint8), over=None)
    assert standardiser.mean.item() == standardiser.deviation.item() == 127.5
    assert standardiser.mean.dtype == np.float32


def test_what_is_too_far_for_float32_is_its_largest_number() -> None:
    standardiser = Standardiser.fit(np.array([[0.0], [1e-96]]))
    assert standardiser.apply(np.array([[1.0], [-1.0]])).ravel().tolist() == [
        np.finfo(np.float32).max,
        np.finfo(np.float32).min,
    ]
