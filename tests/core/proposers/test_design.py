"""Where trials lie: a function of the space and the seed alone."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from caviar.scheduler.core.proposers.design import EndlessDesign, GridDesign, sobol_design, uniform_design
from caviar.scheduler.core.trials.seeds import derived_seed
from caviar.search_spaces import Choice, InvalidSpaceError, SearchSpace, Uniform

SPACE = SearchSpace({"x": Uniform(0.0, 1.0), "y": Uniform(0.0, 1.0)})
HALF = SearchSpace({"x": Uniform(0.0, 1.0), "y": Uniform(0.0, 1.0)}, ["x <= y"])
MAKERS = pytest.mark.parametrize("make", [sobol_design, uniform_design])


@MAKERS
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5), seed=st.integers(0, 2**63 - 1))
def test_however_the_trials_fall_into_brackets_they_are_the_same_sequence(
    make: Callable[[SearchSpace, int], EndlessDesign], sizes: list[int], seed: int
) -> None:
    design = make(HALF, seed)
    parts = [design.draw(n) for n in sizes]
    whole = make(HALF, seed).draw(sum(sizes))
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@MAKERS
def test_points_lie_in_the_unit_cube_and_satisfy_the_constraints(
    make: Callable[[SearchSpace, int], EndlessDesign],
) -> None:
    points = make(HALF, 3).draw(200)
    assert points.shape == (200, 2)
    assert ((points >= 0) & (points <= 1)).all()
    assert (points[:, 0] <= points[:, 1]).all()


@MAKERS
def test_another_seed_gives_other_points(make: Callable[[SearchSpace, int], EndlessDesign]) -> None:
    assert not np.array_equal(make(SPACE, 0).draw(8), make(SPACE, 1).draw(8))


def test_sobol_points_fill_the_cube_evenly() -> None:
    points = sobol_design(SPACE, 5).draw(64)
    cells = np.unique((points * 8).astype(int), axis=0)
    assert len(cells) == 64


def test_a_grid_gives_each_of_its_points_once_in_order() -> None:
    design = GridDesign(SearchSpace({"x": Uniform(0.0, 2.0), "c": Choice(["a", "b"])}), 3)
    assert len(design) == 6
    points = np.concatenate([design.draw(4), design.draw(2)])
    assert len(np.unique(points, axis=0)) == 6
    assert points[:, 0].tolist() == [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]


def test_a_grid_without_a_feasible_point_is_refused() -> None:
    with pytest.raises(InvalidSpaceError):
        GridDesign(SearchSpace({"x": Uniform(0.0, 1.0)}, ["x > 1"]), 3)


def test_every_trial_has_a_seed_of_its_own_below_two_to_the_32() -> None:
    seeds = [derived_seed(7, trial) for trial in range(2_000)]
    assert len(set(seeds)) == 2_000
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert derived_seed(7, 3) != derived_seed(8, 3)


@given(seed=st.integers(0, 2**33), number=st.integers(0, 2**33))
@example(seed=0, number=0)
@example(seed=2**32 - 1, number=2**32 - 1)
@example(seed=2**32, number=256)
def test_a_derived_seed_is_the_first_number_of_numpys_seed_sequence(seed: int, number: int) -> None:
    assert derived_seed(seed, number) == np.random.SeedSequence([seed, number]).generate_state(1)[0]
