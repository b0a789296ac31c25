from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from caviar.trainers import TrainerError, Training
from caviar.trainers.pytorch.digits import evaluate_on_test, train
from caviar.trainers.pytorch.lanes.data import digits_data
from caviar.trainers.pytorch.lanes.optimizers import build_optimizer
from caviar.trainers.pytorch.lanes.recipe import Recipe
from caviar.trainers.pytorch.parts.minibatches import epoch_order

Start = Callable[..., Training]

GOOD = {"hidden": 128, "layers": 2, "batch_norm": True, "dropout": 0.2, "lr": 0.1, "momentum": 0.9}


def test_the_parts_have_all_examples_once_and_equal_shares_of_the_classes() -> None:
    data = digits_data()
    assert data.test is not None
    labels = [data.train[1], data.dev[1], data.test[1]]
    assert [len(part) for part in labels] == [1078, 359, 360]
    assert sum(len(part) for part in labels) == 1797
    shares = [torch.bincount(part, minlength=10) / len(part) for part in labels]
    assert max((shares[0] - share).abs().max().item() for share in shares) < 0.005


def test_the_normalisation_is_fitted_on_the_training_part_alone() -> None:
    data = digits_data()
    assert data.train[0].mean().item() == pytest.approx(0, abs=1e-5)
    assert data.train[0].std().item() == pytest.approx(1, abs=1e-4)
    assert abs(data.dev[0].mean().item()) > 1e-4
    assert data.train[0].dtype == torch.float32


def test_another_split_seed_gives_other_parts() -> None:
    assert not torch.equal(digits_data().dev[1], digits_data(1).dev[1])


def test_a_good_configuration_classifies_at_least_97_of_100_dev_and_test_images(start: Start, tmp_path: Path) -> None:
    training = start(train, config=GOOD, resource_max=20)
    reports = [training.step() or {} for _ in range(20)]
    assert list(reports[0]) == ["train_loss", "train_acc", "val_loss", "val_acc"]
    assert reports[-1]["val_acc"] >= 0.97
    assert reports[-1]["train_loss"] < reports[0]["train_loss"] / 5
    training.save(tmp_path)
    test = evaluate_on_test(GOOD, tmp_path)
    assert list(test) == ["test_loss", "test_acc"]
    assert test["test_acc"] >= 0.96


def test_a_good_cnn_classifies_at_least_97_of_100_dev_images(start: Start) -> None:
    training = start(train, config={"model": "cnn", "optimizer": "adam", "lr": 0.003, "batch_norm": True})
    assert max((training.step() or {})["val_acc"] for _ in range(6)) >= 0.97


def test_every_trial_sees_the_same_dev_examples_in_its_own_order() -> None:
    orders = [epoch_order(100, seed, epoch).tolist() for seed in (0, 1) for epoch in (1, 2)]
    assert len({tuple(order) for order in orders}) == 4
    assert all(sorted(order) == list(range(100)) for order in orders)
    assert epoch_order(100, 0, 1).tolist() == orders[0]


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "rmsprop", "adagrad", "adam", "adamw"])
def test_every_optimizer_learns(start: Start, optimizer: str) -> None:
    training = start(train, config={"optimizer": optimizer, "lr": 0.03 if optimizer[0] in "smn" else 0.003})
    reports = [training.step() or {} for _ in range(4)]
    assert reports[-1]["train_loss"] < 0.8 * reports[0]["train_loss"]
    assert reports[-1]["val_acc"] > 0.5


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"optimizer": "sgd", "momentum": 0.95}, {"momentum": 0.0, "nesterov": False}),
        ({"momentum": 0.95, "weight_decay": 0.1}, {"momentum": 0.95, "nesterov": False, "weight_decay": 0.1}),
        ({"optimizer": "nesterov"}, {"momentum": 0.9, "nesterov": True}),
        ({"optimizer": "rmsprop", "beta2": 0.98}, {"alpha": 0.98, "momentum": 0}),
        ({"optimizer": "adam", "momentum": 0.8, "beta2": 0.98}, {"betas": (0.8, 0.98)}),
        ({"optimizer": "adamw", "weight_decay": 0.1, "eps": 1e-6}, {"weight_decay": 0.1, "eps": 1e-6}),
        ({"optimizer": "adagrad", "lr": 0.2}, {"lr": 0.2}),
    ],
)
def test_hyperparameters_reach_the_optimizer(config: dict[str, Any], expected: dict[str, Any]) -> None:
    group = build_optimizer(Recipe.read(config), nn.Linear(1, 1).parameters()).param_groups[0]
    assert {name: group[name] for name in expected} == expected


def test_the_learning_rate_decays_hyperbolically_an_epoch_at_a_time() -> None:
    rates = Recipe.read({"lr": 0.3, "decay": 0.5}).learning_rate(10)
    assert [rates.at(epoch, done) for epoch in (1, 2, 3) for done in (0.5, 1.0)] == pytest.approx(
        [0.3, 0.3, 0.2, 0.2, 0.15, 0.15]
    )


def test_the_learning_rate_warms_up_from_update_to_update() -> None:
    rates = Recipe.read({"lr": 0.4, "schedule": "constant", "warmup": 1.5}).learning_rate(10)
    assert [rates.at(1, 0.75), rates.at(2, 0.25), rates.at(2, 0.5), rates.at(3, 0.5)] == pytest.approx(
        [0.2, 0.4 * 1.25 / 1.5, 0.4, 0.4]
    )


def kinds(model: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in model.children()]


def model_of(config: dict[str, Any]) -> nn.Module:
    return train().make_model({**config, "input_shape": (1, 8, 8), "classes": 10})


def test_an_mlp_has_the_layers_that_the_configuration_names() -> None:
    model = model_of({"hidden": 32, "layers": 2, "batch_norm": True, "dropout": 0.1, "activation": "tanh"})
    assert kinds(model) == ["Flatten", *["Linear", "BatchNorm1d", "Tanh", "Dropout"] * 2, "Linear"]
    assert sum(weights.numel() for weights in model.parameters()) == 64 * 32 + 64 + 32 * 32 + 64 + 32 * 10 + 10


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_cnn_of_any_depth_gives_ten_logits(layers: int) -> None:
    model = model_of({"model": "cnn", "layers": layers, "batch_norm": True})
    assert kinds(model).count("Conv2d") == layers
    assert model(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


@pytest.mark.parametrize(("init", "variance"), [("he", 2 / 64), ("xavier", 2 / (64 + 2000))])
def test_initial_weights_have_the_variance_of_their_rule(init: str, variance: float) -> None:
    torch.manual_seed(0)
    model = model_of({"hidden": 2000, "layers": 1, "init": init})
    first = next(layer for layer in model.children() if isinstance(layer, nn.Linear))
    assert first.weight.var().item() == pytest.approx(variance, rel=0.03)
    assert not first.bias.any()


def test_a_last_batch_of_one_example_does_not_break_batch_norm(start: Start) -> None:
    assert len(digits_data().train[1]) % 359 == 1
    assert start(train, config={"batch_norm": True, "batch_size": 359}).step() is not None


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"momentun": 0.9}, "the classifier has no hyperparameter 'momentun': did you mean 'momentum'?"),
        ({"temperature": 0.9}, "has no hyperparameter 'temperature': it has model, hidden, layers"),
        ({"lr": 0}, "lr is 0: it should be greater than 0"),
        ({"dropout": 1.0}, "dropout is 1.0: it should be less than 1"),
        ({"lr": float("nan")}, "lr is nan: it should be a finite number"),
        ({"hidden": 3.5}, "hidden is 3.5: it should be a valid integer"),
        ({"batch_size": 1}, "batch_size is 1: it should be greater than or equal to 2"),
        ({"optimizer": "lbfgs"}, "optimizer is 'lbfgs': it should be 'sgd', 'momentum'"),
        ({"layers": "3"}, "layers is '3': it should be a valid integer"),
        ({"flip": 1.5}, "flip of the augmentation is 1.5: it should be from 0 to 1"),
        ({"mixup": -0.1}, "mixup of the augmentation is -0.1: it should be a number of at least 0"),
        ({"label_smoothing": 2.0}, "label_smoothing is 2.0: it should be from 0 to 1"),
        ({"classes": 3}, "classes is no hyperparameter: Digits takes it from the data"),
    ],
)
def test_a_configuration_that_cannot_be_trained_is_refused_in_one_sentence(
    start: Start, config: dict[str, Any], message: str
) -> None:
    with pytest.raises(TrainerError) as caught:
        start(train, config=config).step()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
