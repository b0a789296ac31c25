"""A lane: training code whose trials can be trained as one batched model."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ....search_spaces import Value
from ...errors import TrainerError
from ...trial import Trial
from .data import Data
from .recipe import RECIPE_VARYING

Batch = tuple[Tensor, ...]
"""Some of the examples: of each tensor of a part of the data the same rows."""
Config = Mapping[str, Any]
"""A configuration; in `loss` and `augment` every value that may vary inside a group is a tensor without dimensions."""
Losses = Tensor | tuple[Tensor, Mapping[str, Tensor]]
"""The mean loss of a batch, alone or with further metrics, which are means as well."""


class Lane:
    """Training code for one trial that Caviar can train many of at once.

    A subclass says what the data, the model and the loss are. Caviar does the rest: it draws the initial weights and
    the order of the examples from the trial's seed, runs the optimizer, evaluates on the dev part after each epoch,
    saves and restores; and it trains trials of equal static hyperparameters as one batched model (`torch.func.vmap`),
    which gives each the numbers that it would have had alone. The hyperparameters of `Recipe` are Caviar's to read; all
    others are for `make_model`, `loss` and `augment`.

    A step is an epoch. It reports `train_loss` and `val_loss`, and `train_<name>` and `val_<name>` for every further
    metric that `loss` returns. The training metrics are averages over the batches as they were trained.

    Attributes:
        defaults: Values of hyperparameters that a configuration may lack.
        static: Float hyperparameters that nevertheless decide on shapes or control flow.
        varying: Hyperparameters with other than float values that do not, so that trials of one group may differ in
            them.
        padded: Widths: a narrower model is padded with zeros up to the widest of its group. That is exact where a unit
            with zero weights gives and learns nothing: with any activation that is 0 at 0, and with batch norm.
        data_settings: Hyperparameters that `load_data` reads; they are static.
        lanes_first: Whether `loss` and `augment` take tensors with a leading dimension for the lanes, as well as those
            without one, and return one loss for each lane; they are then called as they are, without vmap.
    """

    defaults: ClassVar[Mapping[str, Value]] = {}
    static: ClassVar[tuple[str, ...]] = ()
    varying: ClassVar[tuple[str, ...]] = RECIPE_VARYING
    padded: ClassVar[tuple[str, ...]] = ()
    data_settings: ClassVar[tuple[str, ...]] = ()
    lanes_first: ClassVar[bool] = False

    def load_data(self, trial: Trial) -> Data:
        """The examples, which all trials share; called once in a process for all trials with equal `data_settings`.

        Args:
            trial: Its `data` and `target` say where they are. Nothing else of it may be used but the hyperparameters in
                `data_settings`.
        """
        raise _missing(self, "load_data")

    def describe_data(self, data: Data) -> Mapping[str, Any]:
        """Facts about the data for `make_model`, `loss` and `augment`, such as the number of classes.

        Returns:
            Names and values, which are added to the configuration.
        """
        return {}

    def make_model(self, config: Config) -> nn.Module:
        """A model with its initial weights, drawn from torch's global generator.

        Args:
            config: The configuration, with the defaults and what `describe_data` adds; all values are plain.
        """
        raise _missing(self, "make_model")

    def loss(self, model: Any, batch: Batch, config: Config) -> Losses:
        """The mean loss of a batch.

        It may not depend on the values of tensors in its control flow. `model.training` tells training from evaluation.

        Args:
            model: Called like the model that `make_model` returned.
            batch: A batch of the training part or the dev part.
            config: The configuration; values that may vary inside a group are tensors without dimensions.
        """
        raise _missing(self, "loss")

    def augment(self, batch: Batch, config: Config, key: Tensor) -> Batch:
        """A batch of the training part, changed at random.

        Args:
            batch: Examples.
            config: As in `loss`.
            key: int64 [], for `noise.uniforms`: random numbers of this trial, epoch and batch.
        """
        return batch

    def is_varying(self, name: str, value: Value) -> bool:
        """True where trials of one group may differ in a hyperparameter."""
        if name in self.static or name in self.data_settings:
            return False
        return isinstance(value, float) or name in self.varying or name in self.padded

    def augments(self, config: Config) -> bool:
        """True where `augment` does anything; asked with the values of any trial of a group."""
        return type(self).augment is not Lane.augment


_lanes: dict[type[Lane], Lane] = {}
"""The one instance of each lane in this process."""
_data: dict[tuple[Any, ...], Data] = {}
"""The data of this process, by what `load_data` may depend on."""


def lane_of(lane: type[Lane]) -> Lane:
    """The one instance of a lane in this process."""
    if lane not in _lanes:
        _lanes[lane] = lane()
    return _lanes[lane]


def shared_data(lane: Lane, config: Config, trial: Trial, device: torch.device) -> Data:
    """The data of a trial on a device, loaded once for all trials that may share it."""
    # As text, because a value may be a list, and because 1 and 1.0 are different values.
    settings = tuple((name, repr(config.get(name))) for name in lane.data_settings)
    key = (type(lane), trial.data, trial.target, settings, device)
    if key not in _data:
        loaded = lane.load_data(Trial(config, data=trial.data, target=trial.target))
        _check_data(loaded, f"{type(lane).__name__}.load_data")
        _data[key] = loaded.to(device)
    return _data[key]


def losses_of(
    lane: Lane, model: Any, batch: Batch, config: Config, lanes: tuple[int, ...] = ()
) -> tuple[Tensor, dict[str, Tensor]]:
    """The returns of a lane's loss in one form: the loss, and all metrics with the loss among them.

    Args:
        lane: The lane.
        model: As in `Lane.loss`.
        batch: As in `Lane.loss`.
        config: As in `Lane.loss`.
        lanes: The shape that the loss and the metrics should have: () for those of one trial.

    Raises:
        TrainerError: One of them is no tensor, or has another shape.
    """
    returned = lane.loss(model, batch, config)
    loss, metrics = returned if isinstance(returned, tuple) else (returned, {})
    metrics = {"loss": loss, **metrics}
    for name, value in metrics.items():
        if not isinstance(value, Tensor) or value.shape != lanes:
            what = f"of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"as a {type(value).__name__}"
            raise TrainerError(
                f"{type(lane).__name__}.loss returned {name!r} {what}: it should be a tensor of shape {tuple(lanes)},"
                " the mean over the batch"
            )
    return loss, metrics


def made_model(lane: Lane, config: Config) -> nn.Module:
    """A lane's new model.

    Raises:
        TrainerError: It made something else.
    """
    model: object = lane.make_model(config)
    if not isinstance(model, nn.Module):
        raise TrainerError(
            f"{type(lane).__name__}.make_model returned a {type(model).__name__}: it should return a torch.nn.Module"
        )
    return model


def _missing(lane: Lane, method: str) -> TrainerError:
    return TrainerError(f"the lane {type(lane).__name__} lacks {method}: it has to define it")


def _check_data(data: object, source: str) -> None:
    if not isinstance(data, Data):
        raise TrainerError(
            f"{source} returned a {type(data).__name__}: it should return Data(train=(x, y), dev=(x, y))"
        )
    for name, least in (("train", 2), ("dev", 1)):
        part: object = getattr(data, name)
        if not isinstance(part, tuple) or not part or not all(isinstance(tensor, Tensor) for tensor in part):
            raise TrainerError(f"{source}: the part {name!r} should be a tuple of tensors, such as (inputs, labels)")
        sizes = [len(tensor) for tensor in part]
        if len(set(sizes)) > 1 or sizes[0] < least:
            raise TrainerError(
                f"{source}: the tensors of the part {name!r} have {' and '.join(map(str, sizes))} examples: they should"
                f" have the same number, at least {least}"
            )
