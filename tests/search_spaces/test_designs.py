"""Designs in the unit cube are reproducible, continue where they stopped and respect the space."""

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

from caviar.search_spaces import Choice, Constant, Integer, InvalidSpaceError, Log, SearchSpace, Uniform
from caviar.search_spaces.designs import _sobol_block, feasible_points, grid, sobol, uniform
from caviar.search_spaces.sobol import _scrambled, direction_numbers

Points = npt.NDArray[np.float64]
SPLITS = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 6), st.integers(0, 2**32 - 1))


@pytest.mark.parametrize("design", [uniform, sobol])
@given(SPLITS)
def test_consecutive_calls_continue_one_sequence(design: Any, split: tuple[int, int, int, int]) -> None:
    first, second, dimensions, seed = split
    whole = design(first + second, dimensions, seed)
    parts = [design(first, dimensions, seed), design(second, dimensions, seed, first)]
    assert np.concatenate(parts).tolist() == whole.tolist()
    assert whole.shape == (first + second, dimensions)


@pytest.mark.parametrize("design", [uniform, sobol])
def test_points_lie_in_the_unit_cube_and_depend_on_the_seed_alone(design: Any) -> None:
    points = design(100, 3, 7)
    assert ((points >= 0) & (points <= 1)).all()
    assert np.array_equal(points, design(100, 3, 7))
    assert not np.array_equal(points, design(100, 3, 8))


@pytest.mark.parametrize("start", [1, 4_095, 4_096, 10_000])
@pytest.mark.parametrize("dimensions", [1, 3, 54, 1_000])
def test_sobol_points_are_scipys_from_wherever_they_start(dimensions: int, start: int) -> None:
    engine = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(5))
    engine.fast_forward(start)
    assert np.array_equal(sobol(50, dimensions, 5, start), engine.random(50))


def test_sobol_points_are_the_same_where_scipy_keeps_its_numbers_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = sobol(100, 5, 7, 4_090)
    for cached in (direction_numbers, _scrambled, _sobol_block):
        cached.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr("caviar.search_spaces.sobol.find_spec", lambda name: None)
        with pytest.raises(LookupError, match="no file of direction numbers"):
            direction_numbers()
        assert np.array_equal(sobol(100, 5, 7, 4_090), ours)


def test_sobol_points_can_be_changed_without_changing_those_that_are_drawn_next() -> None:
    points = sobol(8, 2, 0)
    points[:] = 0.0
    assert sobol(8, 2, 0).any()


def test_sobol_points_fill_the_cube_more_evenly_than_random_ones() -> None:
    assert qmc.discrepancy(sobol(200, 4, 0)) < 0.3 * qmc.discrepancy(uniform(200, 4, 0))


def test_the_first_sobol_points_put_one_in_each_part_of_every_axis() -> None:
    assert all(sorted(axis) == list(range(64)) for axis in np.floor(sobol(64, 5, 3) * 64).T.astype(int).tolist())


@pytest.mark.parametrize("design", [uniform, sobol])
def test_a_space_of_constants_has_points_without_columns(design: Any) -> None:
    assert design(3, 0, 0).shape == (3, 0)


SPACE = SearchSpace(
    {
        "opt": Choice(["sgd", "adam"]),
        "lr": Log(1e-3, 1e-1),
        "momentum": Uniform(0, 1, when={"opt": ["sgd"]}),
        "epochs": Constant(5),
    }
)


def test_a_grid_holds_every_combination_once() -> None:
    configs = SPACE.decode(grid(SPACE, {"lr": 3, "momentum": 2}))
    expected = [
        {"opt": "sgd", "lr": lr, "momentum": momentum, "epochs": 5} for lr in (1e-3, 1e-2, 1e-1) for momentum in (0, 1)
    ] + [{"opt": "adam", "lr": lr, "epochs": 5} for lr in (1e-3, 1e-2, 1e-1)]
    assert [config == pytest.approx(other) for config, other in zip(configs, expected, strict=True)] == [True] * 9


def test_a_grid_with_one_number_uses_it_for_every_domain() -> None:
    assert len(grid(SPACE, 3)) == 3 * 3 + 3


def test_a_grid_leaves_out_what_breaks_a_constraint() -> None:
    space = SearchSpace({"a": Integer(1, 5), "b": Integer(1, 5)}, ["a < b"])
    assert len(grid(space, 5)) == 10
    assert space.feasible(grid(space, 5)).all()


def test_a_grid_of_constants_is_one_point() -> None:
    assert grid(SearchSpace({"a": Constant(1)}), 3).shape == (1, 0)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ({"lr": 3}, "points: needs a number for 'momentum', got {'lr': 3}"),
        ({"lr": 3, "momentum": 0}, "points.momentum: needs a whole number of at least 1, got 0"),
        ({"rl": 3}, "points.rl: unknown hyperparameter; known are opt, lr, momentum, epochs"),
        (2000, "the grid has 8000000 points; at most 1000000 are allowed"),
        (2.5, "needs a whole number of at least 1, got 2.5"),
    ],
)
def test_a_bad_number_of_grid_points_is_refused(points: Any, message: str) -> None:
    with pytest.raises(InvalidSpaceError, match=re.escape(message)):
        grid(SPACE, points)


def test_a_grid_without_a_feasible_point_is_refused() -> None:
    space = SearchSpace({"a": Uniform(0, 1)}, ["a > 2"])
    with pytest.raises(InvalidSpaceError, match="none of the 3 points of the grid satisfies a > 2"):
        grid(space, 3)


TRIANGLE = SearchSpace({"a": Uniform(0, 1), "b": Uniform(0, 1)}, ["a + b < 0.3"])


def draw(n: int, start: int) -> Points:
    return sobol(n, 2, 1, start)


@given(st.integers(0, 30), st.integers(0, 30))
def test_feasible_points_continue_and_keep_the_order_of_the_sequence(first: int, second: int) -> None:
    whole, end = feasible_points(TRIANGLE, first + second, draw, 0)
    head, between = feasible_points(TRIANGLE, first, draw, 0)
    tail, last = feasible_points(TRIANGLE, second, draw, between)
    assert np.concatenate([head, tail]).tolist() == whole.tolist()
    assert (last if second else between) == end
    assert TRIANGLE.feasible(whole).all()


def test_feasible_points_are_all_that_the_sequence_has() -> None:
    points, end = feasible_points(TRIANGLE, 20, draw, 5)
    looked_at = draw(end - 5, 5)
    assert points.tolist() == looked_at[TRIANGLE.feasible(looked_at)].tolist()


def test_without_constraints_every_point_is_taken() -> None:
    points, end = feasible_points(SPACE, 7, lambda n, start: sobol(n, 3, 0, start), 2)
    assert points.tolist() == sobol(7, 3, 0, 2).tolist()
    assert end == 9


def test_a_space_that_cannot_satisfy_its_constraints_is_refused() -> None:
    space = SearchSpace({"a": Uniform(0, 1), "b": Uniform(0, 1)}, ["a + b < 0", "a < b"])
    with pytest.raises(
        InvalidSpaceError, match=r"constraints: only 0 of \d+ points satisfy a \+ b < 0 and a < b; loosen"
    ):
        feasible_points(space, 1, draw, 0)
