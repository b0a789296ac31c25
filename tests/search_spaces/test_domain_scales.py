"""What every domain does with [0, 1], and the formula of each."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caviar.search_spaces import Choice, Constant, Domain, Integer, InverseLog, Log, Ordinal, Uniform

UNITS = st.lists(st.floats(0, 1), min_size=1, max_size=20).map(np.array)


def bounds(low: float, high: float) -> st.SearchStrategy[tuple[float, float]]:
    pair = st.tuples(st.floats(low, high), st.floats(low, high)).map(lambda ends: (min(ends), max(ends)))
    return pair.filter(lambda ends: ends[1] - ends[0] > 1e-6 * max(abs(ends[0]), abs(ends[1])) + 1e-9)


def whole_bounds(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(1, high)).map(lambda two: (two[0], two[0] + two[1]))


CONTINUOUS = st.one_of(
    bounds(-1e6, 1e6).map(lambda ends: Uniform(*ends)),
    bounds(1e-9, 1e9).map(lambda ends: Log(*ends)),
    bounds(-10, 0.99999).map(lambda ends: InverseLog(*ends)),
)
STEPPED = st.builds(
    lambda low, step, count: Uniform(low, low + count * step, step=step),
    st.sampled_from([0.0, -1.0, 0.1, 2.5, 1000.0]),
    st.sampled_from([0.1, 0.25, 1.0, 3.0, 1 / 3]),
    st.integers(1, 500),
)
DISCRETE = st.one_of(
    STEPPED,
    whole_bounds(-(10**9), 10**9).map(lambda ends: Integer(*ends)),
    whole_bounds(1, 10**9).map(lambda ends: Integer(*ends, log=True)),
    st.lists(st.integers() | st.text("abc") | st.booleans(), min_size=1, max_size=6, unique_by=repr)
    .filter(lambda options: all(not isinstance(option, int) or abs(option) < 2**63 for option in options))
    .map(Choice),
    st.lists(st.text("abc"), min_size=1, max_size=6, unique=True).map(Ordinal),
    st.just(Constant("x")),
)


def ends(domain: Domain) -> list[Any]:
    return list(domain.decode(np.array([0.0, 1.0])).tolist())


@given(st.one_of(CONTINUOUS, STEPPED))
def test_the_ends_of_a_real_range_are_exact(domain: Uniform | Log | InverseLog) -> None:
    assert ends(domain) == [domain.low, domain.high]


@given(whole_bounds(1, 10**9), st.booleans())
def test_the_ends_of_an_integer_range_are_exact(limits: tuple[int, int], log: bool) -> None:
    assert ends(Integer(*limits, log=log)) == list(limits)


@given(CONTINUOUS)
def test_encode_of_the_bounds_of_a_continuous_range_is_zero_and_one(domain: Uniform | Log | InverseLog) -> None:
    assert domain.encode([domain.low, domain.high]).tolist() == [0.0, 1.0]


@given(CONTINUOUS, UNITS)
def test_continuous_values_stay_in_range_and_keep_the_order(
    domain: Uniform | Log | InverseLog, unit: np.ndarray[Any, Any]
) -> None:
    values = domain.decode(np.sort(unit))
    assert ((values >= domain.low) & (values <= domain.high)).all()
    assert (np.diff(values) >= 0).all()


@given(CONTINUOUS, UNITS)
def test_encode_inverts_decode_on_continuous_ranges(
    domain: Uniform | Log | InverseLog, unit: np.ndarray[Any, Any]
) -> None:
    values = domain.decode(unit)
    again = domain.decode(domain.encode(values))
    np.testing.assert_allclose(again, values, rtol=1e-9, atol=1e-9 * (domain.high - domain.low))


@given(st.one_of(bounds(0, 1).map(lambda e: Uniform(*e)), st.just(Log(1e-5, 1.0)), st.just(InverseLog(0.9, 0.9999))))
def test_decode_inverts_encode_up_to_rounding(domain: Domain) -> None:
    unit = np.linspace(0, 1, 101)
    np.testing.assert_allclose(domain.encode(domain.decode(unit)), unit, atol=1e-6)


@given(DISCRETE, UNITS)
def test_discrete_values_survive_encode_and_decode_exactly(domain: Domain, unit: np.ndarray[Any, Any]) -> None:
    values = domain.decode(unit)
    assert domain.decode(domain.encode(values)).tolist() == values.tolist()


@given(DISCRETE, UNITS)
def test_encode_gives_one_number_for_all_that_decode_alike(domain: Domain, unit: np.ndarray[Any, Any]) -> None:
    middles = domain.encode(domain.decode(unit))
    assert domain.encode(domain.decode(middles)).tolist() == middles.tolist()
    assert domain.position(middles).tolist() == domain.position(unit).tolist()


@given(st.one_of(CONTINUOUS, DISCRETE), st.integers(1, 9))
def test_a_grid_has_different_increasing_numbers_in_the_unit_interval(domain: Domain, points: int) -> None:
    grid = domain.grid(points)
    assert ((grid >= 0) & (grid <= 1)).all()
    assert (np.diff(grid) > 0).all()
    assert len(np.unique(domain.position(grid))) == len(grid) or domain.size is None
    assert len(grid) <= points or isinstance(domain, Choice)


def test_uniform_is_linear() -> None:
    np.testing.assert_allclose(Uniform(2, 6).decode(np.array([0.25, 0.5])), [3.0, 4.0])


def test_log_gives_every_factor_the_same_share() -> None:
    np.testing.assert_allclose(Log(1e-4, 1.0).decode(np.array([0.25, 0.5, 0.75])), [1e-3, 1e-2, 1e-1])


def test_inverse_log_splits_nines_evenly() -> None:
    np.testing.assert_allclose(InverseLog(0.9, 0.999).decode(np.array([0.5])), [0.99])


def test_inverse_log_differs_from_a_reflected_log_scale() -> None:
    unit = (np.arange(100_000) + 0.5) / 100_000
    ours = InverseLog(0.9, 0.999).decode(unit)
    reflected = 0.9 + 0.999 - Log(0.9, 0.999).decode(unit)
    assert abs((ours > 0.99).mean() - 0.5) < 0.001
    assert abs((reflected > 0.99).mean() - 0.095) < 0.01


def test_every_integer_has_the_same_share() -> None:
    unit = (np.arange(7000) + 0.5) / 7000
    assert np.bincount(Integer(0, 6).decode(unit)).tolist() == [1000] * 7


def test_every_integer_has_its_share_of_the_log_axis() -> None:
    unit = (np.arange(1_000_000) + 0.5) / 1_000_000
    shares = np.bincount(Integer(1, 8, log=True).decode(unit))[1:] / 1_000_000
    edges = np.log(np.arange(1, 10) - 0.5)
    np.testing.assert_allclose(shares, np.diff(edges) / (edges[-1] - edges[0]), atol=1e-5)


def test_integers_encode_to_the_middle_of_their_share() -> None:
    assert Integer(1, 4).encode([1, 2, 3, 4]).tolist() == [0.125, 0.375, 0.625, 0.875]


def test_whole_floats_encode_as_integers() -> None:
    assert Integer(1, 4).encode(np.array([1.0])).tolist() == [0.125]


def test_every_step_has_the_same_share_and_no_rounding_noise() -> None:
    unit = (np.arange(600) + 0.5) / 600
    values, counts = np.unique(Uniform(0.0, 0.5, step=0.1).decode(unit), return_counts=True)
    assert values.tolist() == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert counts.tolist() == [100] * 6


def test_every_option_has_the_same_share() -> None:
    unit = np.array([0.0, 0.33, 0.34, 0.66, 0.67, 1.0])
    assert Choice(["a", "b", "c"]).decode(unit).tolist() == ["a", "a", "b", "b", "c", "c"]


def test_numbers_beyond_the_unit_interval_decode_to_the_ends() -> None:
    unit = np.array([-0.1, 1.1])
    assert Log(0.1, 1.0).decode(unit).tolist() == [0.1, 1.0]
    assert Integer(1, 3).decode(unit).tolist() == [1, 3]
    assert Integer(1, 3, log=True).decode(unit).tolist() == [1, 3]


@pytest.mark.parametrize(
    ("options", "value_type", "dtype"),
    [
        ([1, 2], "integer", np.int64),
        ([1, 2.5], "float", np.float64),
        ([True, False], "boolean", np.bool_),
        ([None, "a"], "json", np.object_),
        ([[64, 64], [128]], "json", np.object_),
        ([1, True], "json", np.object_),
    ],
)
def test_options_have_the_narrowest_type_that_holds_them(options: list[Any], value_type: str, dtype: type) -> None:
    for domain in (Choice(options), Ordinal(options)):
        assert domain.value_type == value_type
        assert domain.decode(np.array([0.0])).dtype == dtype
        assert domain.decode(np.array([0.1, 0.9])).tolist() == options


def test_strings_are_arrays_of_strings() -> None:
    assert Choice(["sgd", "adam"]).value_type == "string"
    assert Choice(["sgd", "adam"]).decode(np.array([0.9])).dtype.kind == "U"


def test_a_single_option_is_a_constant() -> None:
    assert Choice(["only"]).is_constant
    assert Constant({"depth": 2}).is_constant
    assert not Choice([1, 2]).is_constant


def test_a_grid_of_a_choice_holds_every_option_and_one_of_an_ordinal_may_not() -> None:
    options = ["a", "b", "c", "d", "e"]
    assert Choice(options).decode(Choice(options).grid(2)).tolist() == options
    assert Ordinal(options).decode(Ordinal(options).grid(3)).tolist() == ["a", "c", "e"]


def test_a_grid_of_integers_is_even_on_its_scale() -> None:
    assert Integer(1, 9).decode(Integer(1, 9).grid(3)).tolist() == [1, 5, 9]
    assert Integer(8, 128, log=True).decode(Integer(8, 128, log=True).grid(5)).tolist() == [8, 16, 32, 64, 128]
    assert Integer(1, 4, log=True).decode(Integer(1, 4, log=True).grid(10)).tolist() == [1, 2, 3, 4]


def test_a_grid_of_one_point_lies_in_the_middle() -> None:
    np.testing.assert_allclose(Log(0.01, 1.0).decode(Log(0.01, 1.0).grid(1)), [0.1])
