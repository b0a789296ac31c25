from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from caviar.trainers import TrainerError
from caviar.trainers.pytorch.classification.arrays import from_arrays
from caviar.trainers.pytorch.classification.datasets import from_dataset
from caviar.trainers.pytorch.classification.loading import load_data
from caviar.trainers.pytorch.lanes.data import digits_data

LABELS = np.arange(50) % 2


def images(*shape: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (50, *shape), np.uint8)


@pytest.mark.parametrize(
    ("shape", "as_images"),
    [((8, 6), (1, 8, 6)), ((8, 6, 3), (3, 8, 6)), ((4, 8, 6), (4, 8, 6)), ((8, 6, 1), (1, 8, 6))],
)
def test_images_become_channels_height_and_width(shape: tuple[int, ...], as_images: tuple[int, ...]) -> None:
    data, description = from_arrays(images(*shape), LABELS)
    assert description.kind == "images"
    assert description.input_shape == as_images
    assert data.train[0].shape == (30, *as_images)
    assert data.train[0].dtype == torch.float32
    assert data.train[0].is_contiguous()


def test_each_channel_is_standardised_by_the_training_part() -> None:
    bytes_ = images(8, 6, 3) // np.array([1, 2, 8], np.uint8)
    train = from_arrays(bytes_, LABELS)[0].train[0]
    assert train.mean((0, 2, 3)).numpy() == pytest.approx(np.zeros(3), abs=1e-5)
    assert train.std((0, 2, 3), correction=0).numpy() == pytest.approx(np.ones(3), abs=1e-5)


@given(dtype=st.sampled_from([np.uint8, np.int16, np.float32, np.float64]))
def test_the_type_of_the_pixels_makes_no_difference(dtype: Any) -> None:
    data, reference = (from_arrays(images(4, 4).astype(kind), LABELS)[0] for kind in (dtype, np.float64))
    torch.testing.assert_close(data.train[0], reference.train[0])


def test_the_digits_in_an_array_are_the_digits() -> None:
    rows, labels = load_digits(return_X_y=True)
    data, reference = from_arrays(rows.reshape(-1, 8, 8), labels)[0], digits_data()
    torch.testing.assert_close(data.train, reference.train)
    assert data.test is not None
    assert reference.test is not None
    assert data.test[1].equal(reference.test[1])


def test_rows_stay_a_table_with_every_feature_standardised() -> None:
    data, description = from_arrays(images(5), LABELS)
    assert description.kind == "table"
    assert description.feature_names == ("x0", "x1", "x2", "x3", "x4")
    assert data.train[0].std(0, correction=0).numpy() == pytest.approx(np.ones(5), abs=1e-5)


@pytest.mark.parametrize("shape", [(3, 8, 3), (1, 9, 4)])
def test_a_channel_axis_that_could_be_either_has_to_be_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(TrainerError, match=r"either axis could be the channels'.* say channels='first' for"):
        from_arrays(images(*shape), LABELS)
    assert from_arrays(images(*shape), LABELS, channels="first")[1].input_shape == shape
    assert from_arrays(images(*shape), LABELS, channels="last")[1].input_shape == (shape[2], *shape[:2])


@pytest.mark.parametrize("names", [("x", "y"), ("X", "y"), ("images", "labels"), ("data", "target")])
def test_an_npz_file_can_name_its_arrays_in_several_ways(tmp_path: Path, names: tuple[str, str]) -> None:
    np.savez(tmp_path / "a.npz", **{names[0]: images(8, 6), names[1]: LABELS})  # type: ignore[arg-type]
    data, description = load_data(tmp_path / "a.npz")
    assert data.train[0].equal(from_arrays(images(8, 6), LABELS)[0].train[0])
    assert description.class_names == ("0", "1")


def test_a_test_part_of_its_own_stays_the_test_part(tmp_path: Path) -> None:
    shown, hidden = images(8, 6), images(8, 6)[:7]
    np.savez(tmp_path / "a.npz", x_train=shown, y_train=LABELS, x_test=hidden, y_test=LABELS[:7])
    data, _ = load_data(tmp_path / "a.npz")
    assert [len(part[0]) for part in (data.train, data.dev)] == [40, 10]
    assert data.test is not None
    assert data.test[1].tolist() == LABELS[:7].tolist()
    assert data.test[0].shape == (7, 1, 8, 6)


def test_nothing_in_an_npz_file_is_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{}, {}], np.object_), y=LABELS[:2])
    with pytest.raises(TrainerError, match=r"cannot be read: Object arrays cannot be loaded when allow_pickle=False"):
        load_data(tmp_path / "a.npz")


def test_npz_files_without_examples_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", inputs=images(8, 6), y=LABELS)
    (tmp_path / "b.npz").write_text("no zip")
    for name, target, message in (
        ("a.npz", None, "has the arrays inputs, y: inputs and labels should be called x and y, X and y, images and"),
        ("a.npz", "y", "target is 'y': the arrays of .* have fixed names, so leave it out"),
        ("b.npz", None, "b.npz cannot be read"),
        ("c.npz", None, "there is no file .*c.npz; did you mean"),
    ):
        with pytest.raises(TrainerError, match=message):
            load_data(tmp_path / name, target)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (images(8, 6)[:-1], "there are 49 inputs and labels of the shape (50,): each needs a label"),
        (images(8, 6, 3, 2), "the inputs have the shape (50, 8, 6, 3, 2): they should be a table (n, features), or"),
        (images(8, 6, 2), "no axis has 1, 3 or 4 channels: say channels='first'"),
        (np.array(["a"] * 50)[:, None], "the inputs have the type <U1: they should be numbers"),
        (np.full((50, 4, 4), np.nan), "pixels that are missing or infinite"),
    ],
)
def test_arrays_that_are_no_examples_are_refused(inputs: Any, message: str) -> None:
    with pytest.raises(TrainerError) as caught:
        from_arrays(inputs, LABELS)
    assert message in str(caught.value)


def test_test_inputs_of_another_shape_are_refused() -> None:
    with pytest.raises(TrainerError, match=r"the test inputs have the shape \(50, 6\), and the others \(50, 5\)"):
        from_arrays(images(5), LABELS, test=(images(6), LABELS))


class Named(Dataset[tuple[npt.NDArray[np.uint8], int]]):
    classes = ("even", "odd")

    def __len__(self) -> int:
        return 50

    def __getitem__(self, place: int) -> tuple[npt.NDArray[np.uint8], int]:
        return images(8, 6)[place], int(LABELS[place])


def test_a_dataset_of_torch_is_read_once_and_brings_its_class_names() -> None:
    data, description = from_dataset(Named())
    torch.testing.assert_close(data.train, from_arrays(images(8, 6), LABELS)[0].train)
    assert description.class_names == ("even", "odd")


def test_a_dataset_can_have_a_test_part_of_its_own() -> None:
    tensors = TensorDataset(torch.randn(50, 5), torch.from_numpy(LABELS))
    data, description = from_dataset(tensors, test=TensorDataset(torch.randn(8, 5), torch.arange(8) % 2))
    assert data.test is not None
    assert [len(part[1]) for part in (data.train, data.dev, data.test)] == [40, 10, 8]
    assert description.input_shape == (5,)


def test_reading_a_dataset_draws_no_global_random_numbers() -> None:
    before = torch.get_rng_state()
    from_dataset(TensorDataset(torch.ones(50, 5), torch.from_numpy(LABELS)))
    assert torch.get_rng_state().equal(before)


class Endless(IterableDataset[int]):
    def __iter__(self) -> Iterator[int]:
        return count()


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Endless(), "Endless has no length: a map-style data set is needed"),
        (TensorDataset(torch.ones(5)), "the items of TensorDataset should be pairs of an input and a label"),
        ([(np.ones(2), 0), (np.ones(3), 1)], "the items of list cannot be put together"),
        ([(object(), 0)], "the items of list cannot be put together: default_collate"),
        ([], "list has no items"),
    ],
)
def test_datasets_that_are_no_examples_are_refused(dataset: Any, message: str) -> None:
    with pytest.raises(TrainerError, match=message):
        from_dataset(dataset)
