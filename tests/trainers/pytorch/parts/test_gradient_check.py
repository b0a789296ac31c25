import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from caviar.trainers import TrainerError
from caviar.trainers.pytorch.parts.gradient_check import GradientCheck, ParameterCheck, check_gradients
from caviar.trainers.pytorch.parts.initialisation import initialise


class HalfGradient(torch.autograd.Function):
    """The identity with half its gradient."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor) -> Tensor:
        return inputs.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] / 2


class WrongLinear(nn.Linear):
    def forward(self, inputs: Tensor) -> Tensor:
        # The class is wrong in its own weight alone: what it hands to the layers before it is right.
        weight: Tensor = HalfGradient.apply(self.weight)  # type: ignore[no-untyped-call]
        return functional.linear(inputs, weight, self.bias)


def cross_entropy(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
    images, labels = batch
    return functional.cross_entropy(model(images), labels)


def batch(size: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(size, 1, 6, 6, generator=generator), torch.randint(0, 3, (size,), generator=generator)


def network(*middle: nn.Module) -> nn.Module:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), *middle, nn.Linear(64, 3))
    initialise(model, activation="tanh", generator=torch.Generator().manual_seed(0))
    return model


@pytest.mark.parametrize(
    "middle",
    [
        [],
        [nn.Linear(64, 64), nn.GELU(), nn.LayerNorm(64)],
        [nn.Linear(64, 64), nn.BatchNorm1d(64), nn.Tanh()],
        [nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5)],
    ],
    ids=["convolution", "layer_norm", "batch_norm", "dropout"],
)
@pytest.mark.parametrize("training", [True, False])
def test_the_gradients_of_torch_are_fine_in_both_modes(middle: list[nn.Module], training: bool) -> None:
    check = check_gradients(network(*middle).train(training), cross_entropy, batch(), entries=20)
    assert [parameter.verdict for parameter in check.parameters] == ["fine"] * len(check.parameters), str(check)
    assert check.wrong == ()


def test_a_wrong_gradient_is_found_and_its_layer_named() -> None:
    model = network(WrongLinear(64, 64), nn.Tanh())
    check = check_gradients(model, cross_entropy, batch(), entries=20)
    assert check.wrong == ("3.weight",)
    wrong = next(parameter for parameter in check.parameters if parameter.name == "3.weight")
    assert wrong.relative_error == pytest.approx(1 / 3, rel=1e-3)


def test_a_wrong_gradient_is_found_however_small_it_is() -> None:
    def small_loss(model: nn.Module, examples: tuple[Tensor, ...]) -> Tensor:
        return cross_entropy(model, examples) * 1e-3

    check = check_gradients(network(WrongLinear(64, 64), nn.Tanh()), small_loss, batch(), entries=20)
    assert check.wrong == ("3.weight",)


def test_the_model_and_the_global_generators_are_left_as_they_were() -> None:
    model = network(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.Dropout(0.5)).train()
    cross_entropy(model, batch()).backward()  # type: ignore[no-untyped-call]
    before = copy.deepcopy(model.state_dict())
    gradients = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    drawn = torch.random.get_rng_state()
    check_gradients(model, cross_entropy, batch(), entries=3)
    after = model.state_dict()
    assert all(torch.equal(after[name], entry) and after[name].dtype == entry.dtype for name, entry in before.items())
    assert all(
        torch.equal(gradient, parameter.grad)
        for gradient, parameter in zip(gradients, model.parameters(), strict=True)
        if parameter.grad is not None
    )
    assert model.training
    assert torch.equal(torch.random.get_rng_state(), drawn)


def test_large_parameters_are_sampled_and_the_seed_says_where() -> None:
    model = network()
    first, second, other = (check_gradients(model, cross_entropy, batch(), entries=5, seed=seed) for seed in (0, 0, 1))
    assert [(check.name, check.entries, check.size) for check in first.parameters] == [
        ("0.weight", 5, 36),
        ("0.bias", 4, 4),
        ("3.weight", 5, 192),
        ("3.bias", 3, 3),
    ]
    assert first == second
    assert first != other


def test_frozen_and_empty_parameters_are_left_out_and_unused_ones_have_no_gradient() -> None:
    model = network()
    model.register_parameter("empty", nn.Parameter(torch.ones(0, 3)))
    model.register_parameter("unused", nn.Parameter(torch.ones(())))
    model.get_parameter("0.weight").requires_grad_(False)
    check = check_gradients(model, cross_entropy, batch(), entries=2)
    assert {parameter.name: parameter.relative_error for parameter in check.parameters}["unused"] == 0
    assert {"0.weight", "empty"}.isdisjoint(parameter.name for parameter in check.parameters)


def test_gradients_are_checked_inside_no_grad() -> None:
    with torch.no_grad():
        assert check_gradients(network(), cross_entropy, batch(), entries=2).wrong == ()


def test_a_gradient_that_is_not_a_number_is_wrong() -> None:
    def root_of_zero(model: nn.Module, examples: tuple[Tensor, ...]) -> Tensor:
        return (cross_entropy(model, examples) * 0).sqrt()

    assert "3.weight" in check_gradients(network(), root_of_zero, batch(), entries=2).wrong


def test_printed_it_is_a_table() -> None:
    check = GradientCheck((ParameterCheck("0.weight", 5, 36, 3e-9), ParameterCheck("0.bias", 4, 4, 0.25)))
    assert str(check).splitlines() == [
        "parameter  compared    error  verdict",
        "0.weight       5/36  3.0e-09  fine",
        "0.bias          4/4  2.5e-01  wrong",
    ]
    assert ParameterCheck("a", 1, 1, 1e-6).verdict == "look"


def test_a_loss_that_is_no_scalar_in_float64_is_refused() -> None:
    with pytest.raises(TrainerError, match=r"is torch.float64 of shape \[8\]: it has to be a scalar tensor"):
        check_gradients(network(), lambda model, examples: model(examples[0])[:, 0], batch())
    with pytest.raises(TrainerError, match=r"is torch.float32 of shape \[\]"):
        check_gradients(network(), lambda model, examples: cross_entropy(model, examples).float(), batch())
