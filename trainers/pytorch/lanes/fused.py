"""Trials of a lane that are trained as one batched model."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

import torch
from torch import Tensor

from ...errors import TrainerError
from ...protocol import Training
from ...randomness import seed_generators
from ..parts.minibatches import epoch_order, minibatches
from ..parts.noise import batch_keys
from .device import computing
from .lane import Batch, Lane, losses_of
from .lane_training import EVALUATION_BATCH, LaneTraining, take
from .optimizers import SLOTS, Rates, RowOptimizer, clip_rows
from .recipe import RECIPE_STATIC
from .stacked_model import StackedModel
from .totals import Totals

Metrics = dict[str, float]


def fuse(trainings: Sequence[Training]) -> "FusedLanes":
    """Fuses open trials; see `fuse_trainings`.

    Raises:
        TrainerError: They are not trials of one lane after the same step, or their models differ in structure.
    """
    lanes = [training for training in trainings if isinstance(training, LaneTraining)]
    if len(lanes) < len(trainings) or len({(type(lane.lane), lane.trial.step) for lane in lanes}) != 1:
        raise TrainerError("only trials of one lane, all after the same step, can be trained as one model")
    for training in lanes[1:]:
        _check_alike(lanes[0], training)
    return FusedLanes(lanes)


def _check_alike(first: LaneTraining, other: LaneTraining) -> None:
    """Refuses what a spec may ask for by its `fuse`, and one model cannot do."""
    for name in {**first.trial.config, **other.trial.config}:
        values = first.config.get(name), other.config.get(name)
        if values[0] != values[1] and not _may_differ(first.lane, name, values):
            raise TrainerError(
                f"trials whose {name} is {values[0]!r} and {values[1]!r} cannot be trained as one model: it is static"
            )


def _may_differ(lane: Lane, name: str, values: tuple[Any, Any]) -> bool:
    if name in RECIPE_STATIC:
        return False
    varying = [lane.is_varying(name, value) for value in values]
    # A choice such as [0, 0.5] has a whole number beside floats.
    return all(varying) or (any(varying) and all(type(value) in {int, float} for value in values))


class FusedLanes:
    """Trials that are trained as one batched model until they are parted. It implements `FusedTrainings`.

    The losses of the lanes are summed, so that the gradient of each lane's parameters is that of its own loss. The
    random numbers of a lane follow from its trial's seed, the epoch and the batch, so that it does not matter which
    others it is trained with.
    """

    def __init__(self, trainings: Sequence[LaneTraining]) -> None:
        self._returned = self._lanes = list(trainings)
        first = trainings[0]
        self._lane, self._recipe, self._device = first.lane, first.recipe, first.device
        self._model = StackedModel([training.model for training in trainings], padded=bool(first.lane.padded))
        self._optimizer = self._join_optimizers()
        self._compute = torch.compile(self._losses) if self._recipe.compile else self._losses
        self._checked = False
        self._describe()

    def step(self) -> list[Metrics | None]:
        """Trains every lane an epoch; those that stopped early are parted before it."""
        returned = self._returned
        self._compact({training for training in self._lanes if not training.ended})
        metrics: dict[LaneTraining, Metrics] = {}
        if self._lanes:
            epoch = self._lanes[0].trial.step + 1
            seed_generators(self._lanes[0].trial.seed, epoch)
            with computing(self._recipe.precision, self._device):
                for training, values in zip(self._lanes, self._epoch(epoch), strict=True):
                    metrics[training] = values
        return [metrics.get(training) for training in returned]

    def keep(self, lanes: Sequence[int]) -> None:
        """Compacts to some of the lanes that `step` returned last."""
        self._returned = [self._returned[lane] for lane in lanes]
        self._compact(set(self._returned))

    def part(self) -> None:
        """Gives each training its own weights and optimizer state again."""
        self._release(range(len(self._lanes)))
        self._lanes = []

    def _epoch(self, epoch: int) -> list[Metrics]:
        trained, evaluated = self._train(epoch), self._evaluate()
        columns = {name: values.tolist() for name, values in {**trained, **evaluated}.items()}
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        for lane, training in enumerate(self._lanes):
            training.trial.step = training.trial.current = epoch
            rows[lane] = training.watch(rows[lane], self._model.lane(lane))
        return rows

    def _train(self, epoch: int) -> dict[str, Tensor]:
        """Goes through the training part once; returns the mean of each metric, [lanes] each."""
        data = self._data.train
        orders = [epoch_order(len(data[0]), training.trial.seed, epoch) for training in self._lanes]
        batches = minibatches(torch.stack(orders).to(self._device), self._recipe.batch_size)
        rates, totals = self._learning_rates(epoch, len(batches)), Totals()
        keys = batch_keys(self._seeds, epoch, len(batches))
        self._alive = torch.ones(len(self._lanes), 1, dtype=torch.bool, device=self._device)
        self._model.train()
        self._model.begin_epoch(keys, [indices.shape[1] for indices in batches])
        for place, indices in enumerate(batches):
            batch = take(data, indices)
            self._model.begin_batch(place)
            losses, metrics = self._compute(batch, keys[place])
            totals.add(metrics, indices.shape[1])
            self._update(losses, rates[min(place, len(rates) - 1)])
        return totals.means("train_")

    def _losses(self, batch: Batch, keys: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The loss of each lane, with gradients, and the metrics, each [lanes]."""
        lane, model = self._lane, self._model
        if lane.lanes_first:
            batch = lane.augment(batch, self._config, keys) if model.training else batch
            return losses_of(lane, model, batch, self._config, (len(self._lanes),))

        def call(one: Any, batch: Batch, config: Mapping[str, Tensor], key: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            config = {**self._plain, **config}
            batch = lane.augment(batch, config, key) if one.training else batch
            return losses_of(lane, one, batch, config)

        losses: tuple[Tensor, dict[str, Tensor]] = model.map(call, batch, self._varying, keys)
        return losses

    def _update(self, losses: Tensor, rates: Tensor) -> None:
        """One update of all lanes but those that have met a loss that is not finite, which are frozen."""
        leaves = self._model.leaves
        with torch.no_grad():
            self._alive &= losses.isfinite()[:, None]
        slopes = torch.autograd.grad(losses.sum(), leaves, materialize_grads=True, allow_unused=True)
        with torch.no_grad():
            gradients = torch.cat([slope.flatten(1) for slope in slopes], 1)
            if not self._checked:
                self._model.check_padding(gradients)
                self._checked = True
            if self._device.type == "cuda" or not self._alive.all():
                gradients = torch.where(self._alive, gradients, 0.0)
                rates = torch.where(self._alive, rates, 0.0)
            if self._limits is not None:
                clip_rows(gradients, self._limits)
            self._optimizer.update(self._model.rows, gradients, rates)

    @torch.no_grad()
    def _evaluate(self) -> dict[str, Tensor]:
        data, totals = self._data.dev, Totals()
        self._model.train(False)
        for part in zip(*(torch.split(tensor, EVALUATION_BATCH) for tensor in data), strict=True):
            batch = tuple(tensor.expand(len(self._lanes), *tensor.shape) for tensor in part)
            totals.add(self._compute(batch, self._seeds)[1], len(part[0]))
        return totals.means("val_")

    def _learning_rates(self, epoch: int, updates: int) -> list[Tensor]:
        """The rates of the epoch, [lanes, 1]: of each update, or one for all of them."""
        schedules = [training.learning_rate for training in self._lanes]
        places = range(updates) if any(schedule.changes_within(epoch) for schedule in schedules) else [0]
        return [self._column([schedule.at(epoch, (place + 1) / updates) for schedule in schedules]) for place in places]

    def _join_optimizers(self) -> RowOptimizer:
        recipes = [training.recipe for training in self._lanes]
        states = [training.optimizer for training in self._lanes]
        columns = [[[getattr(recipe, name)] for recipe in recipes] for name in Rates.__dataclass_fields__]
        rates = Rates(*(torch.tensor(column, dtype=torch.float64, device=self._device) for column in columns))
        rule = recipes[0].optimizer
        slots = {name: self._model.join([state.slots.get(name, {}) for state in states]) for name in SLOTS[rule]}
        return RowOptimizer(rule, rates, slots, states[0].updates, self._model.rows.dtype)

    def _describe(self) -> None:
        """Notes the facts that follow from the lanes that are left."""
        trainings = self._lanes
        first = trainings[0]
        self._data = first.data
        self._seeds = torch.tensor([training.trial.seed for training in trainings], device=self._device)
        varying = [name for name in first.config if not all(training.plain(name) for training in trainings)]
        # `loss` is not to read values that differ and are no numbers, such as the schedule.
        own = first.trial.config
        differing = [name for name, value in own.items() if any(t.config[name] != value for t in trainings)]
        self._plain = {
            name: value for name, value in first.config.items() if name not in varying and name not in differing
        }
        self._varying = {
            name: self._column([training.config[name] for training in trainings]).flatten() for name in varying
        }
        self._config = {**self._plain, **self._varying}
        limits = [training.recipe.clip_norm for training in trainings]
        self._limits = None if None in limits else self._column(limits)

    def _column(self, values: Sequence[Any]) -> Tensor:
        """Numbers as [lanes, 1], in the type of the parameters."""
        return torch.tensor(values, dtype=self._model.rows.dtype, device=self._device)[:, None]

    def _compact(self, staying: Set[LaneTraining]) -> None:
        """Parts the lanes that do not stay."""
        kept = [place for place, training in enumerate(self._lanes) if training in staying]
        if len(kept) == len(self._lanes):
            return
        self._release([place for place, training in enumerate(self._lanes) if training not in staying])
        self._lanes = [self._lanes[place] for place in kept]
        if kept:
            self._model.select(kept)
            self._optimizer.select(torch.tensor(kept, device=self._device))
            self._describe()

    @torch.no_grad()
    def _release(self, lanes: Sequence[int]) -> None:
        """Writes the weights and the optimizer's state of some lanes back to their trainings."""
        for lane in lanes:
            training = self._lanes[lane]
            training.model.load_state_dict(self._model.lane(lane).state_dict())
            slots = {name: self._model.split(rows, lane) for name, rows in self._optimizer.slots.items()}
            training.optimizer.replace(slots, self._optimizer.updates)
