"""The ready lane: a classifier of a person's own table or images, with no Python to write."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ....search_spaces import Value
from ...errors import TrainerError
from ...state import load_state
from ...trial import Trial
from ..lanes.data import Data
from ..lanes.lane import Batch, Config, Lane, Losses, losses_of
from ..lanes.recipe import Recipe, Settings
from ..models.networks import build_network
from ..parts.augmentation import UNIFORMS, AugmentationSettings, augment
from ..parts.losses import accuracy, cross_entropy
from ..parts.mixup import mixup
from ..parts.noise import stream_keys, uniforms
from ..parts.splits import SplitSettings
from .architecture import Architecture, network_settings
from .loading import load_data

_AUGMENTATIONS = ("flip", "crop", "rotate", "erase", "brightness", "contrast", "saturation")
_FACTS = ("input_shape", "classes")
_MIXUP_STREAM = 1
_IMAGE = 3
"""Dimensions of an image: channels, height and width."""


class DataSettings(Settings):
    """Settings for reading the data. All trials of a sweep have the same ones, so they are constants in its space.

    Attributes:
        dev: Examples that compare trials: a share of all (0.2), or their number (500).
        test: Examples for one look at the end, likewise; 0 for none.
        split_seed: Decides which example is in which part.
        stratify: Whether each class has the same share of every part.
        ignore: Columns of a table that are no inputs, as a list or separated by commas.
        image_channels: Whether an image's channels stand first or last, where its shape does not tell.
    """

    dev: float | int = 0.2
    test: float | int = 0.2
    split_seed: int = 0
    stratify: bool = True
    ignore: str | list[str] = ""
    image_channels: Literal["first", "last"] | None = None


class Classifier(Lane):
    """Classifies the rows of a table or images, by the data and the target that the spec names.

    A step is an epoch; it reports `train_loss`, `train_acc`, `val_loss` and `val_acc`. The hyperparameters are those of
    `Recipe`, `Architecture` and `DataSettings`, `dropout_1`, `dropout_2` … for the layers of an MLP one by one,
    `label_smoothing`, and the strengths of `augment`: `flip`, `crop`, `rotate`, `erase`, `brightness`, `contrast`,
    `saturation` and `mixup`.
    """

    padded: ClassVar[tuple[str, ...]] = ("hidden", "channels")
    data_settings: ClassVar[tuple[str, ...]] = tuple(DataSettings.model_fields)
    lanes_first: ClassVar[bool] = True

    def load_data(self, trial: Trial) -> Data:
        """The data that the spec names, split, standardised and encoded; see `loading`.

        Raises:
            TrainerError: There is none, or it cannot be read or classified.
        """
        if trial.data is None:
            raise TrainerError(
                "data: the classifier has nothing to learn from; name a file in the spec, as in data: my.csv"
            )
        settings = DataSettings.read(trial.config)
        split = SplitSettings(
            dev=settings.dev, test=settings.test, stratify=settings.stratify, seed=settings.split_seed
        )
        columns = settings.ignore.split(",") if isinstance(settings.ignore, str) else settings.ignore
        ignored = [name for name in map(str.strip, columns) if name]
        data, _ = load_data(trial.data, trial.target, split, ignore=ignored, channels=settings.image_channels)
        return data

    def describe_data(self, data: Data) -> Mapping[str, Any]:
        """The shape of an input, and the number of classes."""
        parts = [data.train, data.dev, *([] if data.test is None else [data.test])]
        classes = 1 + max(int(labels.max()) for _, labels in parts)
        return {"input_shape": tuple(data.train[0].shape[1:]), "classes": classes}

    def make_model(self, config: Config) -> nn.Module:
        """The network that a configuration names, from inputs [n, ...] to logits [n, classes].

        Raises:
            TrainerError: A name is unknown, or a value does not fit.
        """
        _check_names(config)
        _check_changes(config)
        return build_network(network_settings(config), config["input_shape"], config["classes"])

    def loss(self, model: Any, batch: Batch, config: Config) -> Losses:
        """Cross-entropy in nats, in training with label smoothing; and the share of right answers.

        Args:
            model: To logits [..., n, classes].
            batch: Inputs [..., n, ...], and labels [..., n] or probabilities [..., n, classes].
            config: Holds `label_smoothing`, a number or [...], if it is to be used.
        """
        inputs, targets = batch
        logits = model(inputs)
        smoothing = config.get("label_smoothing", 0.0) if model.training else 0.0
        return cross_entropy(logits, targets, smoothing), {"acc": accuracy(logits, targets)}

    def augments(self, config: Config) -> bool:
        """True where the configuration has a strength for any augmentation."""
        return any(name in config for name in (*_AUGMENTATIONS, "mixup"))

    def augment(self, batch: Batch, config: Config, key: Tensor) -> Batch:
        """Changes images as the configuration says, and mixes examples where it has a `mixup`.

        Args:
            batch: Inputs [..., n, ...] and labels [..., n].
            config: Strengths as numbers or [...].
            key: int64 [...].
        """
        inputs, targets = batch
        strengths = {name: config[name] for name in _AUGMENTATIONS if name in config}
        if strengths:
            inputs = _augmented(inputs, strengths, key)
        if "mixup" in config:
            noise = uniforms(stream_keys(key, _MIXUP_STREAM), 1, targets.shape[-1] + 1, inputs.dtype)[..., 0, :]
            inputs, targets = mixup(inputs, targets, config["mixup"], noise, config["classes"])
        return inputs, targets


def evaluate_on_test(config: Mapping[str, Value], checkpoint: Path, data: Data) -> dict[str, float]:
    """The metrics of a trained classifier on examples that no decision of the search has seen.

    Call it once, for the configuration that the search has chosen: its dev accuracy is the best of many and therefore
    too good, its test accuracy is not.

    Args:
        config: The trial's configuration.
        checkpoint: The trial's checkpoint, such as `Results.best.checkpoint`.
        data: Data with a test part.

    Returns:
        `test_loss` and `test_acc`.

    Raises:
        TrainerError: The checkpoint cannot be read, or the data has no test part.
    """
    if data.test is None:
        raise TrainerError("the data has no test part: split one off (test: 0.2)")
    lane = Classifier()
    facts = lane.describe_data(data)
    model = build_network(network_settings(config), facts["input_shape"], facts["classes"])
    model.load_state_dict(load_state(checkpoint)["model"])
    with torch.no_grad():
        _, metrics = losses_of(lane, model.eval(), data.test, config)
    return {f"test_{name}": value.item() for name, value in metrics.items()}


def _augmented(images: Tensor, strengths: Mapping[str, Any], key: Tensor) -> Tensor:
    """Images [..., n, C, H, W] with a strength for each lane, changed as one batch of images."""
    each = {name: value[..., None] if isinstance(value, Tensor) else value for name, value in strengths.items()}
    noise = uniforms(key, images.shape[-4], UNIFORMS, images.dtype)
    return augment(images, AugmentationSettings(**each), noise)


def _check_changes(config: Config) -> None:
    """Checks what changes examples, as long as its values are plain."""
    named = [name for name in (*_AUGMENTATIONS, "mixup") if name in config]
    AugmentationSettings(**{name: config[name] for name in named})
    smoothing = config.get("label_smoothing", 0.0)
    if not 0 <= smoothing <= 1:
        raise TrainerError(f"label_smoothing is {smoothing!r}: it should be from 0 to 1")
    if set(named) & set(_AUGMENTATIONS) and len(config["input_shape"]) != _IMAGE:
        raise TrainerError(f"{named[0]} changes images, and the inputs are rows of a table: leave it out")


def _check_names(config: Config) -> None:
    known = [
        *Architecture.model_fields,
        *Recipe.model_fields,
        *DataSettings.model_fields,
        *_AUGMENTATIONS,
        "label_smoothing",
    ]
    known += ["mixup", *_FACTS, *(f"dropout_{layer + 1}" for layer in range(Architecture.read(config).layers))]
    for name in config:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known)}"
            raise TrainerError(f"the classifier has no hyperparameter {name!r}: {hint}")
