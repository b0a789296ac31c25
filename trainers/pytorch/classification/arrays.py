"""Arrays, in memory and in .npz files, as data: rows of a table, or images."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import torch

from ...errors import TrainerError
from ..lanes.data import Data, DataDescription
from ..parts.splits import Indices, Parts, SplitSettings, split_examples
from ..parts.standardise import PER_CHANNEL, Float32s, Standardiser
from .columns import Columns, encode_columns
from .targets import Labels, class_labels

Array = npt.NDArray[Any]
Examples = tuple[Any, Any]
"""Inputs and labels: arrays, or what numpy makes arrays of, such as tensors on the CPU."""

Channels = Literal["first", "last"]
"""The place of the channels in images of four dimensions: [n, C, H, W] or [n, H, W, C]."""

CHANNEL_NUMBERS = (1, 3, 4)
"""Grey, colour, and colour with transparency: an axis of another length is not taken for the channels'."""

NAMES = (("x", "y"), ("X", "y"), ("images", "labels"), ("data", "target"))
"""The names of inputs and labels in an .npz file; with `_train` and `_test` behind both for two parts."""


def load_arrays(path: Path, split: SplitSettings, channels: Channels | None = None) -> tuple[Data, DataDescription]:
    """The arrays of an .npz file, under one of the pairs of `NAMES`. Nothing in it is unpickled.

    Raises:
        TrainerError: The file cannot be read, has arrays of other names, or arrays that are no examples.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            train, test = _examples(path, arrays)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise TrainerError(f"{path} cannot be read: {error}") from error
    return from_arrays(*train, split, test=test, channels=channels)


def from_arrays(
    inputs: Any,
    labels: Any,
    split: SplitSettings | None = None,
    *,
    test: Examples | None = None,
    channels: Channels | None = None,
    class_names: Sequence[str] | None = None,
) -> tuple[Data, DataDescription]:
    """Data of arrays that are in memory.

    Args:
        inputs: A table [n, features], encoded as `encode_columns` does, or images [n, H, W], [n, H, W, C] or
            [n, C, H, W], which are standardised by channel, after a division by 255 where they are bytes.
        labels: [n] of text, bools or integers.
        split: The sizes of the parts.
        test: Inputs and labels that are the test part; the others are then split into training and dev parts alone, by
            the settings' `dev`, and not by their `test` and `train`.
        channels: Their place, for images that could be read in two ways.
        class_names: The names of labels that are integers from 0.

    Raises:
        TrainerError: The arrays are no examples, or cannot be split.
    """
    settings = split or SplitSettings()
    given = [(np.asarray(x), np.asarray(y)) for x, y in ((inputs, labels), *([test] if test else []))]
    for x, y in given:
        _check_examples(x, y, given[0][0])
    numbers, names = class_labels(np.concatenate([y for _, y in given]), "the target", class_names)
    parts = _parts(numbers, len(given[0][1]), replace(settings, test=0, train=None) if test else settings, names)
    everything = np.concatenate([x for x, _ in given])
    if everything.ndim == 2:
        encoded, features = encode_columns(_as_columns(everything), parts.train)
    else:
        encoded, features = _encode_images(everything, parts.train, channels), ()
    kind: Literal["table", "images"] = "table" if everything.ndim == 2 else "images"
    data = Data.in_parts((torch.from_numpy(encoded), torch.from_numpy(numbers)), parts)
    return data, DataDescription(kind, encoded.shape[1:], names, features)


def _examples(path: Path, arrays: Mapping[str, Array]) -> tuple[Examples, Examples | None]:
    """The examples to split, and the test part if the file has one."""
    for x, y in NAMES:
        if x in arrays and y in arrays:
            return (arrays[x], arrays[y]), None
        train, test = (tuple(f"{name}_{part}" for name in (x, y)) for part in ("train", "test"))
        if all(name in arrays for name in (*train, *test)):
            return (arrays[train[0]], arrays[train[1]]), (arrays[test[0]], arrays[test[1]])
    pairs = ", ".join(f"{x} and {y}" for x, y in NAMES)
    raise TrainerError(
        f"{path} has the arrays {', '.join(arrays) or '(none)'}: inputs and labels should be called {pairs}, alone or "
        "with _train and _test behind each of the two"
    )


def _check_examples(inputs: Array, labels: Array, first: Array) -> None:
    if inputs.dtype.kind not in "biuf":
        raise TrainerError(f"the inputs have the type {inputs.dtype}: they should be numbers")
    if inputs.ndim not in (2, 3, 4) or 0 in inputs.shape:
        raise TrainerError(
            f"the inputs have the shape {inputs.shape}: they should be a table (n, features), or images (n, H, W), "
            "(n, H, W, C) or (n, C, H, W)"
        )
    if labels.ndim == 0 or len(labels) != len(inputs):
        raise TrainerError(f"there are {len(inputs)} inputs and labels of the shape {labels.shape}: each needs a label")
    if inputs.shape[1:] != first.shape[1:]:
        raise TrainerError(f"the test inputs have the shape {inputs.shape}, and the others {first.shape}")


def _parts(labels: Labels, to_split: int, settings: SplitSettings, names: Sequence[str]) -> Parts:
    """Splits the first examples; those behind them are the test part."""
    parts = split_examples(labels[:to_split], settings, names)
    if to_split == len(labels):
        return parts
    return Parts(parts.train, parts.dev, np.arange(to_split, len(labels), dtype=np.int64))


def _as_columns(rows: Array) -> Columns:
    names = tuple(f"x{place}" for place in range(rows.shape[1]))
    return Columns(rows.astype(np.float64), np.empty((len(rows), 0), np.object_), names)


def _encode_images(images: Array, train: Indices, channels: Channels | None) -> Float32s:
    """Images as float32 [n, C, H, W], standardised by channel."""
    arranged = _channels_first(images, channels).astype(np.float32, order="C")
    if images.dtype.kind == "f" and not np.isfinite(arranged).all():
        raise TrainerError("the images have pixels that are missing or infinite")
    if images.dtype == np.uint8:
        arranged /= 255
    return Standardiser.fit(arranged[train], PER_CHANNEL).apply(arranged)


def _channels_first(images: Array, channels: Channels | None) -> Array:
    if images.ndim == 3:
        return images[:, None]
    found: list[Channels] = [channels] if channels else _possible_channels(images.shape)
    if len(found) != 1:
        reason = "either axis could be the channels'" if found else "no axis has 1, 3 or 4 channels"
        raise TrainerError(
            f"the images have the shape {images.shape}, where {reason}: say channels='first' for (n, C, H, W) or "
            "channels='last' for (n, H, W, C)"
        )
    return images if found == ["first"] else np.moveaxis(images, 3, 1)


def _possible_channels(shape: tuple[int, ...]) -> list[Channels]:
    places: dict[Channels, int] = {"first": shape[1], "last": shape[3]}
    return [place for place, number in places.items() if number in CHANNEL_NUMBERS]
