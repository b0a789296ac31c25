"""Models that a person writes in ways of their own: fused as they are trained alone, or refused."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from caviar.trainers import TrainerError, Training, Trial, fuse_trainings, load_trainer, open_training
from caviar.trainers.pytorch.lanes.data import Data
from caviar.trainers.pytorch.lanes.lane import Batch, Config, Lane
from caviar.trainers.pytorch.parts.losses import cross_entropy

EXACT = 1e-9
EPOCHS = 3


class Points(Lane):
    """Classifies points by the network that a test names."""

    padded: ClassVar[tuple[str, ...]] = ("hidden",)

    def load_data(self, trial: Trial) -> Data:
        labels = torch.arange(90) % 3
        points = torch.randn(90, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        points += labels[:, None]
        return Data((points[:60], labels[:60]), (points[60:], labels[60:]))

    def make_model(self, config: Config) -> nn.Module:
        return NETWORKS[config["network"]](config).double()

    def loss(self, model: Any, batch: Batch, config: Config) -> Tensor:
        return cross_entropy(model(batch[0]), batch[1])


class LanesFirst(Points):
    """The same without vmap, where the layers are known."""

    lanes_first: ClassVar[bool] = True


class Own(nn.Module):
    """A linear layer, and what a subclass makes of its inputs and outputs."""

    centre: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)
        self._temperature: float = config.get("temperature", 1.0)
        self.register_buffer("centre", torch.zeros(6))

    def forward(self, points: Tensor) -> Tensor:
        outputs: Tensor = self.layer(points)
        return outputs


class Centred(Own):
    """Puts a new tensor in the place of a buffer."""

    def forward(self, points: Tensor) -> Tensor:
        if self.training:
            self.centre = 0.9 * self.centre + 0.1 * points.mean(0)
        return super().forward(points - self.centre)


class Scaled(Own):
    """Has a hyperparameter as an attribute."""

    def forward(self, points: Tensor) -> Tensor:
        return super().forward(points) / self._temperature


class Kept(Own):
    """Keeps its configuration."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.config = dict(config)

    def forward(self, points: Tensor) -> Tensor:
        scaled: Tensor = super().forward(points) / self.config["temperature"]
        return scaled


class Bound(Own):
    """Has a function as an attribute."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.bend = partial(leaky_relu, negative_slope=config["temperature"])

    def forward(self, points: Tensor) -> Tensor:
        bent: Tensor = self.bend(super().forward(points))
        return bent


class Squashed(nn.Module):
    """Has hidden units that are not 0 at 0."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(6, config["hidden"]), nn.Linear(config["hidden"], 3)

    def forward(self, points: Tensor) -> Tensor:
        outputs: Tensor = self.last(self.first(points).sigmoid())
        return outputs


def frozen(config: Config) -> nn.Module:
    model = nn.Sequential(nn.Linear(6, config["hidden"]), nn.ReLU(), nn.Linear(config["hidden"], 3))
    model[0].requires_grad_(False)
    return model


def shared_layers(config: Config) -> nn.Module:
    hidden, relu, dropout = config["hidden"], nn.ReLU(), nn.Dropout(0.3)
    again = nn.Linear(hidden, hidden)
    return nn.Sequential(nn.Linear(6, hidden), relu, dropout, again, relu, dropout, again, relu, nn.Linear(hidden, 3))


def tied(config: Config) -> nn.Module:
    model = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 3))
    model[2].weight = model[0].weight
    return model


def hooked(config: Config) -> nn.Module:
    model = nn.Sequential(nn.Linear(6, config["hidden"]), nn.ReLU(), nn.Linear(config["hidden"], 3))
    model[0].register_forward_hook(_doubled)
    return model


def _doubled(module: nn.Module, inputs: Any, outputs: Tensor) -> Tensor:
    return outputs * 2


NETWORKS: Mapping[str, Callable[[Config], nn.Module]] = {
    "frozen": frozen,
    "shared layers": shared_layers,
    "tied": tied,
    "hooked": hooked,
    "centred": Centred,
    "scaled": Scaled,
    "kept": Kept,
    "bound": Bound,
    "squashed": Squashed,
}


def opened(lane: type[Lane], number: int, **config: Any) -> Training:
    fields = {"batch_size": 10, "hidden": 4, "weight_decay": 0.01, **config}
    return open_training(load_trainer(lane), number=number, config=fields, seed=number, resource_max=EPOCHS)


@pytest.mark.parametrize("lane", [Points, LanesFirst])
@pytest.mark.parametrize("network", ["frozen", "shared layers", "tied", "hooked", "centred"])
def test_frozen_shared_and_replaced_tensors_are_those_of_the_trial_alone(lane: type[Lane], network: str) -> None:
    fields = [{"network": network, "lr": lr, "hidden": hidden} for lr, hidden in ((0.05, 4), (0.01, 7))]
    alone, fused = ([opened(lane, number, **config) for number, config in enumerate(fields)] for _ in range(2))
    together = fuse_trainings(fused)
    for _ in range(EPOCHS):
        assert together.step() == [pytest.approx(training.step(), abs=EXACT) for training in alone]
    together.part()
    for one, other in zip(alone, fused, strict=True):
        state, same = (training.model.state_dict() for training in (one, other))  # type: ignore[attr-defined]
        assert list(same) == list(state)
        assert max(float((state[name] - same[name]).abs().max()) for name in state) <= EXACT


@pytest.mark.parametrize("network", ["scaled", "kept", "bound"])
def test_a_hyperparameter_that_a_module_keeps_for_itself_is_refused_where_it_differs(network: str) -> None:
    first, alike, other = (opened(Points, 0, network=network, temperature=value) for value in (0.5, 0.5, 0.7))
    with pytest.raises(TrainerError, match="differ in the model itself"):
        fuse_trainings([first, other])
    assert None not in fuse_trainings([first, alike]).step()


def test_widths_are_not_padded_where_the_padding_would_learn() -> None:
    same = fuse_trainings([opened(Points, number, network="squashed") for number in range(2)])
    assert None not in same.step()
    other = fuse_trainings([opened(Points, width, network="squashed", hidden=width) for width in (3, 4)])
    with pytest.raises(TrainerError, match="take the width out of the lane's padded"):
        other.step()


@pytest.mark.parametrize(("name", "values"), [("batch_size", (10, 20)), ("optimizer", ("sgd", "adam"))])
def test_trials_that_differ_in_what_is_static_are_refused(name: str, values: tuple[Any, Any]) -> None:
    with pytest.raises(TrainerError, match=f"trials whose {name} is {values[0]!r} and {values[1]!r} cannot"):
        fuse_trainings([opened(Points, 0, network="frozen", **{name: value}) for value in values])


def test_whole_numbers_among_floats_may_differ() -> None:
    fused = fuse_trainings([opened(Points, 0, network="frozen", weight_decay=value) for value in (0, 0.5)])
    assert None not in fused.step()


def test_parameters_of_several_types_are_refused() -> None:
    models = [opened(Points, number, network="frozen") for number in range(2)]
    for training in models:
        training.model[2].bias.data = training.model[2].bias.data.float()  # type: ignore[attr-defined]
    with pytest.raises(TrainerError, match=r"here are torch\.float32 and torch\.float64"):
        fuse_trainings(models)


def test_best_weights_take_no_more_memory_than_one_model() -> None:
    trainings = [opened(Points, number, network="frozen", patience=5) for number in range(8)]
    fuse_trainings(trainings).step()
    for training in trainings:
        for weights in training.stopping.state_dict()["best_weights"].values():  # type: ignore[attr-defined]
            assert weights.untyped_storage().nbytes() == weights.nbytes
