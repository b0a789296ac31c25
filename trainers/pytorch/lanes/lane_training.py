"""A trial of a lane that trains alone: modules of torch, optimizers of torch, one batch after the other."""

from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import TrainerError
from ...randomness import seed_generators
from ...tracking import TrackedObjects
from ...trial import Trial
from ..parts.dropout import Dropout, keyed_dropout, set_dropout_keys
from ..parts.early_stopping import EarlyStopping
from ..parts.minibatches import epoch_order, minibatches
from ..parts.noise import batch_keys
from .data import Data
from .device import computing, device_of
from .lane import Batch, Lane, lane_of, losses_of, made_model, shared_data
from .optimizer_state import OptimizerState
from .optimizers import set_learning_rate
from .recipe import Recipe
from .totals import Totals

EVALUATION_BATCH = 1024
"""Examples of the dev part that are evaluated at a time."""


class LaneTraining:
    """An open trial of a lane. It implements `Training`, and `fuse` takes many of them.

    Attributes:
        trial: The trial that is trained.
        lane: Its training code.
        config: The configuration, with the lane's defaults and what it says of its data.
        recipe: The hyperparameters that Caviar reads.
        optimizer: The optimizer's state, once there is a model.
        stopping: Early stopping, where the recipe has a patience.
        ended: Whether it has stopped early.
    """

    def __init__(self, lane: type[Lane], trial: Trial, tracked: TrackedObjects) -> None:
        self.trial, self.lane = trial, lane_of(lane)
        self.config = {**self.lane.defaults, **trial.config}
        self.recipe = Recipe.read(self.config)
        self.learning_rate = self.recipe.learning_rate(trial.resource_max)
        self.device = device_of(self.recipe)
        self.stopping = None if self.recipe.patience is None else EarlyStopping(self.recipe.patience)
        self.ended = False
        self._best: dict[str, float] = {}
        """The dev metrics of the best epoch, where early stopping watches."""
        self._tracked = tracked
        self._model: nn.Module | None = None

    def begin(self, stop: int) -> None:
        """Does nothing: a trial that is not stepped waits."""

    @property
    def stateful(self) -> bool:
        """True once there is a model."""
        return self._model is not None

    def save(self, directory: Path) -> bool:
        """Writes model, optimizer and early stopping."""
        return self._tracked.save(directory)

    def close(self) -> None:
        """Does nothing: memory is freed with the object."""

    @property
    def data(self) -> Data:
        """The examples, which trials share."""
        return shared_data(self.lane, self.config, self.trial, self.device)

    @property
    def model(self) -> nn.Module:
        """The model, with its weights as of the last step."""
        if self._model is None:
            self._model = self._open()
        return self._model

    def _open(self) -> nn.Module:
        """Draws the initial weights, or restores."""
        facts = self.lane.describe_data(self.data)
        if taken := [name for name in facts if name in self.config]:
            raise TrainerError(f"{taken[0]} is no hyperparameter: {type(self.lane).__name__} takes it from the data")
        self.config = {**facts, **self.config}
        seed_generators(self.trial.seed, 0)
        model = keyed_dropout(made_model(self.lane, self.config)).to(self.device)
        self.optimizer = OptimizerState(self.recipe, model)
        self.trial.track(model=model, optimizer=self.optimizer)
        if self.stopping is not None:
            self.trial.track(stopping=self.stopping, best=self._best)
            self.ended = self.stopping.stopped and bool(self._best)
        self._tracked.check_restored()
        return model

    def step(self) -> dict[str, float] | None:
        """Trains an epoch and evaluates on the dev part."""
        model, epoch = self.model, self.trial.step + 1
        if self.ended:
            return None
        self.trial.current = epoch
        seed_generators(self.trial.seed, epoch)
        with computing(self.recipe.precision, self.device):
            trained = self._train(model, epoch)
            metrics = {**trained, **self._evaluate(model)}
        self.trial.step = epoch
        return self.watch(metrics, model)

    def watch(self, metrics: dict[str, float], model: Any) -> dict[str, float]:
        """Lets early stopping see an epoch's metrics; at the end it restores the best weights and their dev metrics.

        Args:
            metrics: The metrics of the epoch.
            model: The object with the weights, which has `state_dict` and `load_state_dict`.
        """
        if self.stopping is None:
            return metrics
        ends = self.stopping.update(metrics["val_loss"], self.trial.step, model)
        if self.stopping.best_epoch == self.trial.step:
            self._best.update({name: value for name, value in metrics.items() if name.startswith("val_")})
        if not ends or not self._best:
            return metrics
        self.ended = True
        self.stopping.restore(model)
        return {**metrics, **self._best}

    def plain(self, name: str) -> bool:
        """True where `loss` sees a hyperparameter as it is, rather than as a tensor."""
        return not self.lane.is_varying(name, self.config[name]) or not isinstance(self.config[name], int | float)

    def _loss_config(self, model: nn.Module) -> dict[str, Any]:
        """The configuration as `loss` sees it."""
        options: dict[str, Any] = {"dtype": float_type(model), "device": self.device}
        return {
            name: value if self.plain(name) else torch.tensor(value, **options) for name, value in self.config.items()
        }

    def _train(self, model: nn.Module, epoch: int) -> dict[str, float]:
        """Goes through the training part once; after a loss that is not finite the weights stay as they are."""
        lane, config = self.lane, self._loss_config(model)
        data = self.data.train
        batches = minibatches(epoch_order(len(data[0]), self.trial.seed, epoch), self.recipe.batch_size)
        keyed = lane.augments(config) or has_dropout(model)
        keys = batch_keys(torch.tensor(self.trial.seed, device=self.device), epoch, len(batches))
        totals, frozen = Totals(), False
        model.train()
        for place, indices in enumerate(batches):
            batch = take(data, indices.to(self.device))
            if keyed:
                set_dropout_keys(model, keys[place])
                batch = lane.augment(batch, config, keys[place])
            loss, metrics = losses_of(lane, model, batch, config)
            totals.add(metrics, len(indices))
            frozen = frozen or not isfinite(loss.item())
            if not frozen:
                self._update(model, loss, self.learning_rate.at(epoch, (place + 1) / len(batches)))
        return {name: mean.item() for name, mean in totals.means("train_").items()}

    def _update(self, model: nn.Module, loss: Tensor, rate: float) -> None:
        optimizer = self.optimizer.alone()
        set_learning_rate(optimizer, rate)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), self.recipe.clip_norm)
        optimizer.step()
        self.optimizer.updates += 1

    @torch.no_grad()
    def _evaluate(self, model: nn.Module) -> dict[str, float]:
        data = self.data.dev
        config, totals = self._loss_config(model), Totals()
        model.eval()
        for batch in zip(*(torch.split(tensor, EVALUATION_BATCH) for tensor in data), strict=True):
            totals.add(losses_of(self.lane, model, batch, config)[1], len(batch[0]))
        return {name: mean.item() for name, mean in totals.means("val_").items()}


def take(data: tuple[Tensor, ...], indices: Tensor) -> Batch:
    """Some examples.

    Args:
        data: A part of the data.
        indices: int64 [...], places in it.

    Returns:
        For each tensor [n, ...] of the part, one of [..., ...].
    """
    flat = indices.reshape(-1)
    return tuple(tensor.index_select(0, flat).reshape(*indices.shape, *tensor.shape[1:]) for tensor in data)


def has_dropout(model: nn.Module) -> bool:
    """True where a model draws random numbers for dropout."""
    return any(isinstance(module, Dropout) for module in model.modules())


def float_type(model: nn.Module) -> torch.dtype:
    """The type of a model's parameters."""
    return next((parameter.dtype for parameter in model.parameters()), torch.get_default_dtype())
