import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caviar.trainers import TrainerError
from caviar.trainers.pytorch.parts.averages import ExponentiallyWeightedAverage, exponentially_weighted_average
from caviar.trainers.state import load_state, save_state

VALUES = st.lists(st.floats(-1e6, 1e6), max_size=40)
BETAS = st.floats(0, 0.9999)


@given(VALUES, BETAS, st.booleans())
def test_the_averages_are_those_of_the_recursion(values: list[float], beta: float, corrected: bool) -> None:
    average, expected = 0.0, []
    for step, value in enumerate(values, start=1):
        average = beta * average + (1 - beta) * value
        expected.append(average / (1 - beta**step) if corrected else average)
    assert exponentially_weighted_average(values, beta, corrected) == pytest.approx(expected, rel=1e-9, abs=1e-6)


@given(VALUES, BETAS, st.booleans())
def test_one_value_at_a_time_gives_the_averages_of_the_whole(values: list[float], beta: float, corrected: bool) -> None:
    average = ExponentiallyWeightedAverage(beta, corrected)
    found = [average.update(value) for value in values]
    assert found == pytest.approx(exponentially_weighted_average(values, beta, corrected), rel=1e-9, abs=1e-6)


@given(st.floats(-1e6, 1e6), BETAS)
def test_with_bias_correction_the_average_of_a_constant_is_the_constant(value: float, beta: float) -> None:
    assert exponentially_weighted_average([value] * 5, beta) == pytest.approx([value] * 5, rel=1e-9, abs=1e-12)


def test_without_it_the_average_begins_near_zero() -> None:
    assert exponentially_weighted_average([40.0, 49.0], 0.9, bias_correction=False) == pytest.approx([4.0, 8.5])
    assert exponentially_weighted_average([40.0, 49.0], 0.9) == pytest.approx([40.0, 8.5 / 0.19])


def test_several_curves_are_averaged_along_the_first_axis() -> None:
    curves = np.random.default_rng(0).normal(size=(6, 2, 3))
    averages = exponentially_weighted_average(curves, 0.5)
    assert averages.shape == (6, 2, 3)
    assert averages[:, 1, 2] == pytest.approx(exponentially_weighted_average(curves[:, 1, 2], 0.5))


def test_the_values_are_not_changed() -> None:
    values = np.array([1.0, 2.0, 4.0])
    exponentially_weighted_average(values, 0.5)
    assert values.tolist() == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("shape", [(0,), (0, 3)])
def test_no_values_have_no_averages(shape: tuple[int, ...]) -> None:
    assert exponentially_weighted_average(np.zeros(shape), 0.9).shape == shape
    assert math.isnan(ExponentiallyWeightedAverage(0.9).value)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_no_average_from_a_value_on_that_is_not_finite_is_finite(bad: float) -> None:
    values = [1.0, bad, 1.0, 1.0]
    single = ExponentiallyWeightedAverage(0.5)
    for averages in (exponentially_weighted_average(values, 0.5), [single.update(value) for value in values]):
        assert np.isfinite(averages).tolist() == [True, False, False, False]


def test_an_average_continues_from_a_checkpoint(tmp_path: Path) -> None:
    saved, restored = ExponentiallyWeightedAverage(0.9), ExponentiallyWeightedAverage(0.9)
    saved.update(3.0)
    save_state({"average": saved.state_dict()}, tmp_path)
    restored.load_state_dict(load_state(tmp_path)["average"])
    assert restored.update(5.0) == saved.update(5.0)


@pytest.mark.parametrize("beta", [-0.1, 1.0, math.nan])
def test_a_beta_out_of_range_is_refused(beta: float) -> None:
    with pytest.raises(TrainerError, match=f"is {beta}: it has to be from 0 to below 1"):
        exponentially_weighted_average([1.0], beta)
    with pytest.raises(TrainerError, match="beta of an exponentially weighted average"):
        ExponentiallyWeightedAverage(beta)


def test_a_single_number_is_refused() -> None:
    with pytest.raises(TrainerError, match="they have to be an array of"):
        exponentially_weighted_average(1.0, 0.9)
