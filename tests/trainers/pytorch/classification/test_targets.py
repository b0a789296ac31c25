from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caviar.trainers import TrainerError
from caviar.trainers.pytorch.classification.targets import class_labels


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["b", "a", "b", "a"], ("a", "b")),
        ([10, 9, 10, 9], ("9", "10")),
        ([True, False, True, False], ("False", "True")),
        ([2.0, 1.0, 2.0, 1.0], ("1", "2")),
        ([4.5, 4.0, 4.5, 4.0], ("4.0", "4.5")),
        ([[7], [3], [7], [3]], ("3", "7")),
        ([b"b", b"a", b"b", b"a"], ("a", "b")),
    ],
)
def test_text_bools_and_numbers_are_classes_in_their_order(values: list[Any], names: tuple[str, ...]) -> None:
    labels, found = class_labels(np.array(values))
    assert labels.tolist() == [1, 0, 1, 0]
    assert labels.dtype == np.int64
    assert found == names


@given(st.lists(st.sampled_from("abcde"), min_size=20).filter(lambda values: len(set(values)) > 1))
def test_names_by_label_give_the_values_back(values: list[str]) -> None:
    labels, names = class_labels(np.array(values, np.object_))
    assert [names[label] for label in labels] == values


def test_labels_can_bring_their_names() -> None:
    labels, names = class_labels(np.array([2, 0, 2], np.uint8), class_names=["cat", "dog", "fox"])
    assert labels.tolist() == [2, 0, 2]
    assert names == ("cat", "dog", "fox")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([1.0, np.nan, 2.0, np.nan]), "target is missing in 2 of 4 examples"),
        (np.ma.masked_array([1, 2, 3], [False, True, False]), "target is missing in 1 of 3 examples"),
        (np.ma.masked_array([1.0, np.nan, 3.0], [True, False, False]), "target is missing in 2 of 3 examples"),
        (np.array(["a", None, float("nan"), "b"], np.object_), "target is missing in 2 of 4 examples"),
        (np.linspace(0, 1, 200), "target has 200 different values in 200 examples: this is a classifier"),
        (np.arange(200), "target has 200 different values in 200 examples: this is a classifier"),
        (np.zeros(5, np.int64), "target is '0' in all examples: a classifier needs two classes or more"),
        (np.zeros((5, 3)), "target has the shape (5, 3): it should have one class an example, (n,)"),
    ],
)
def test_what_is_no_class_is_refused(values: Any, message: str) -> None:
    with pytest.raises(TrainerError) as caught:
        class_labels(values)
    assert message in str(caught.value)


def test_labels_without_a_name_are_refused() -> None:
    with pytest.raises(TrainerError, match=r"target goes from 0 to 2: for the 2 class names .* integers from 0 to 1"):
        class_labels(np.array([0, 1, 2]), class_names=["a", "b"])
