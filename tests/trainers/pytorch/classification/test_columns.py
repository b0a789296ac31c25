import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caviar.trainers import TrainerError
from caviar.trainers.pytorch.classification.columns import MAX_CATEGORIES, Columns, encode_columns

NAN = float("nan")


def numbers(*columns: list[float]) -> Columns:
    names = tuple("abc"[: len(columns)])
    rows = np.array(columns, np.float64).T
    return Columns(rows, np.empty((len(rows), 0), np.object_), names)


def texts(*values: str) -> Columns:
    return Columns(np.empty((len(values), 0)), np.array(values, np.object_)[:, None], (), ("city",))


def first(rows: int) -> npt.NDArray[np.int64]:
    return np.arange(rows, dtype=np.int64)


def test_numbers_are_standardised_by_the_training_rows() -> None:
    inputs, names = encode_columns(numbers([0, 2, 4, 100], [5, 5, 5, 6]), first(3))
    assert names == ("a", "b")
    assert inputs[:3].mean(0) == pytest.approx([0, 0])
    assert inputs[:3, 0].std() == pytest.approx(1)
    assert inputs[3, 1] == 1
    assert inputs.dtype == np.float32


def test_a_missing_number_is_the_median_of_the_training_rows_and_flagged() -> None:
    inputs, names = encode_columns(numbers([1, NAN, 3, 8, 1000], [1, 2, 3, 4, 5]), first(4))
    assert names == ("a", "b", "a is missing")
    assert inputs[:, 2].tolist() == [0, 1, 0, 0, 0]
    whole = encode_columns(numbers([1, 3, 3, 8, 1000]), first(4))[0]
    assert inputs[:, 0] == pytest.approx(whole[:, 0])


def test_only_columns_with_gaps_in_the_training_rows_are_flagged() -> None:
    inputs, names = encode_columns(numbers([1, 2, NAN]), first(2))
    assert names == ("a",)
    assert inputs[2].tolist() == [0]


def test_a_column_without_any_number_is_constant() -> None:
    inputs, names = encode_columns(numbers([NAN, NAN, NAN], [1, 2, 3]), first(3))
    assert names == ("a", "b", "a is missing")
    assert inputs[:, 0].tolist() == [0, 0, 0]


def test_text_has_an_input_for_each_value_of_the_training_rows() -> None:
    inputs, names = encode_columns(texts("Rome", "Oslo", "Rome", "Lima"), first(3))
    assert names == ("city=Oslo", "city=Rome")
    assert inputs.tolist() == [[0, 1], [1, 0], [0, 1], [0, 0]]


def test_the_rarest_values_share_an_input_with_unknown_ones() -> None:
    common = [f"c{place:02}" for place in range(MAX_CATEGORIES - 1)]
    values = common * 4 + ["rare 1", "rare 2"]
    inputs, names = encode_columns(texts(*values, "unknown"), first(len(values)))
    assert names == (*(f"city={name}" for name in common), "city=(rare)")
    assert inputs[-3:, -1].tolist() == [1, 1, 1]
    assert (inputs.sum(1) == 1).all()


def test_text_that_hardly_repeats_is_refused() -> None:
    with pytest.raises(TrainerError, match=r"'city' has 60 different values in 60 training examples: .*; ignore it"):
        encode_columns(texts(*(f"name {place}" for place in range(60))), first(60))


def test_infinite_numbers_are_refused() -> None:
    with pytest.raises(TrainerError, match="column 'b' has infinite values"):
        encode_columns(numbers([1, 2], [1, float("inf")]), first(2))


def test_a_table_without_inputs_is_refused() -> None:
    with pytest.raises(TrainerError, match="no column but the target"):
        encode_columns(Columns(np.empty((3, 0)), np.empty((3, 0), np.object_), ()), first(2))


@given(
    values=st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(NAN)), min_size=8, max_size=30),
    cities=st.lists(st.sampled_from(["x", "y", "z"]), min_size=30, max_size=30),
    other=st.floats(-1e6, 1e6),
)
def test_rows_of_other_parts_do_not_change_what_training_rows_become(
    values: list[float], cities: list[str], other: float
) -> None:
    def encoded(last: float, city: str) -> npt.NDArray[np.float32]:
        text = np.array([*cities[: len(values)], city], np.object_)[:, None]
        columns = Columns(np.array([*values, last])[:, None], text, ("a",), ("city",))
        return encode_columns(columns, first(len(values)))[0]

    inputs = encoded(other, "x")
    assert np.isfinite(inputs).all()
    np.testing.assert_array_equal(inputs[:-1], encoded(NAN, "elsewhere")[:-1])
