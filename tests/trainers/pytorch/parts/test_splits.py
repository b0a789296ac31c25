import hashlib
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from caviar.trainers import TrainerError
from caviar.trainers.pytorch.lanes.data import DIGITS, Data, digits_data
from caviar.trainers.pytorch.parts.splits import Parts, SplitSettings, split_examples


def everything(parts: Parts) -> list[int]:
    test = [] if parts.test is None else parts.test.tolist()
    return sorted(parts.train.tolist() + parts.dev.tolist() + test)


def test_the_digits_are_split_as_they_always_were() -> None:
    labels = load_digits(return_X_y=True)[1]
    parts = split_examples(labels, SplitSettings())
    assert parts.test is not None
    hashes = [hashlib.sha256(part.tobytes()).hexdigest()[:16] for part in (parts.train, parts.dev, parts.test)]
    assert hashes == ["82e6c39b51504cd1", "6da4e9ae04dd4bb6", "9dde6779f7400adb"]


@given(
    examples=st.integers(20, 500),
    dev=st.floats(0.1, 0.4),
    test=st.one_of(st.just(0), st.floats(0.1, 0.4)),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_example_is_in_one_part_and_a_part_has_its_share(
    examples: int, dev: float, test: float, seed: int
) -> None:
    labels = np.zeros(examples, np.int64)
    parts = split_examples(labels, SplitSettings(dev, test, stratify=False, seed=seed))
    assert everything(parts) == list(range(examples))
    assert len(parts.dev) == math.floor(round(dev * examples, 9))
    assert (0 if parts.test is None else len(parts.test)) == math.ceil(round(test * examples, 9))


def test_parts_can_be_given_by_their_numbers_of_examples() -> None:
    parts = split_examples(np.arange(100) % 2, SplitSettings(dev=30, test=10))
    assert parts.test is not None
    assert [len(part) for part in (parts.train, parts.dev, parts.test)] == [60, 30, 10]


def test_stratified_parts_have_equal_shares_of_the_classes() -> None:
    labels = np.array([0] * 800 + [1] * 150 + [2] * 50)
    parts = split_examples(labels, SplitSettings())
    assert np.bincount(labels[parts.train]).tolist() == [480, 90, 30]
    assert np.bincount(labels[parts.dev]).tolist() == [160, 30, 10]


def test_the_seed_decides_the_split() -> None:
    labels = np.arange(100) % 3
    splits = [split_examples(labels, SplitSettings(seed=seed)).train.tolist() for seed in (1, 1, 2)]
    assert splits[0] == splits[1] != splits[2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (SplitSettings(dev=60, test=50), "gives -10 examples to train, 60 to dev and 50 to test, of 100 in all"),
        (SplitSettings(dev=0, test=0.2), "gives 80 examples to train, 0 to dev and 20 to test"),
        (
            SplitSettings(train=50, dev=20, test=20),
            "50, 20 and 20, which do not add up to the 100 examples: 60",
        ),
        (SplitSettings(train=0.5, dev=0.2, test=0.2), "leave train out to have them all"),
        (SplitSettings(dev=1.5), "the split's dev is 1.5: a share is from 0.0 to 1.0"),
        (SplitSettings(dev=-3), "the split's dev is -3"),
        (SplitSettings(dev=5, test=5), "a part of 5 examples cannot hold an equal share of 10 classes"),
    ],
)
def test_sizes_that_cannot_be_are_refused(settings: SplitSettings, message: str) -> None:
    with pytest.raises(TrainerError) as caught:
        split_examples(np.arange(100) % 10, settings)
    assert message in str(caught.value)


def test_shares_that_add_up_are_accepted() -> None:
    assert len(split_examples(np.zeros(1797), SplitSettings(train=0.6, dev=0.2, test=0.2)).train) == 1078


@pytest.mark.parametrize("rare", [1, 2])
def test_a_class_with_too_few_examples_is_named(rare: int) -> None:
    labels = np.array([0] * 60 + [1] * rare)
    with pytest.raises(TrainerError, match=rf"class 'zebra' has {rare} of {60 + rare} examples.* stratify to false"):
        split_examples(labels, SplitSettings(), ["horse", "zebra"])
    assert len(split_examples(labels, SplitSettings(stratify=False)).train)


def test_the_digits_are_those_of_the_split() -> None:
    rows, labels = load_digits(return_X_y=True)
    parts, data = split_examples(labels, SplitSettings()), digits_data()
    images = rows[parts.dev].reshape(-1, *DIGITS.input_shape).astype(np.float32)
    train = rows[parts.train].astype(np.float32)
    assert data.dev[0].equal(torch.from_numpy((images - train.mean()) / train.std()))
    assert data.dev[1].tolist() == labels[parts.dev].tolist()
    assert DIGITS.classes == 10


def test_data_on_another_device_keeps_its_parts() -> None:
    moved = digits_data().to(torch.device("meta"))
    assert moved.test is not None
    assert [part[0].device.type for part in (moved.train, moved.dev, moved.test)] == ["meta"] * 3
    assert Data(moved.train, moved.dev).to(torch.device("meta")).test is None
