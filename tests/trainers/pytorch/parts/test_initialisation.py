import math

import pytest
import torch
from torch import nn

from caviar.trainers import TrainerError
from caviar.trainers.pytorch.parts.activations import ACTIVATIONS, ZERO_AT_ZERO
from caviar.trainers.pytorch.parts.initialisation import initialise

FAN_IN, FAN_OUT = 400, 200


def wide_linear(scheme: str = "auto", activation: str = "relu") -> nn.Linear:
    layer = nn.Linear(FAN_IN, FAN_OUT)
    initialise(layer, scheme, activation, torch.Generator().manual_seed(0))
    return layer


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_activations_said_to_keep_zero_are_those_that_do(name: str) -> None:
    assert (name in ZERO_AT_ZERO) == (ACTIVATIONS[name]()(torch.zeros(1)).item() == 0)


@pytest.mark.parametrize(
    ("scheme", "activation", "variance"),
    [
        ("auto", "relu", 2 / FAN_IN),
        ("auto", "leaky_relu", 2 / (1 + 0.01**2) / FAN_IN),
        ("auto", "gelu", 2 / FAN_IN),
        ("auto", "tanh", 2 / (FAN_IN + FAN_OUT)),
        ("auto", "sigmoid", 2 / (FAN_IN + FAN_OUT)),
        ("he", "tanh", 2 / FAN_IN),
        ("xavier", "relu", 2 / (FAN_IN + FAN_OUT)),
    ],
)
def test_the_weights_have_the_variance_of_the_scheme(scheme: str, activation: str, variance: float) -> None:
    layer = wide_linear(scheme, activation)
    assert layer.weight.var().item() == pytest.approx(variance, rel=0.03)
    assert layer.weight.mean().item() == pytest.approx(0, abs=4 * math.sqrt(variance / layer.weight.numel()))
    assert not layer.bias.any()


def test_the_draws_are_those_of_torch() -> None:
    layer, reference = wide_linear(), torch.empty(FAN_OUT, FAN_IN)
    nn.init.kaiming_normal_(reference, nonlinearity="relu", generator=torch.Generator().manual_seed(0))
    assert torch.equal(layer.weight, reference)


def test_without_a_generator_the_global_one_is_drawn_from() -> None:
    layers = [nn.Linear(8, 8), nn.Linear(8, 8)]
    with torch.random.fork_rng():
        for layer in layers:
            torch.manual_seed(3)
            initialise(layer)
    assert torch.equal(layers[0].weight, layers[1].weight)


@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [
        (nn.Conv1d(64, 128, 5), 64 * 5),
        (nn.Conv2d(32, 64, 3), 32 * 9),
        (nn.Conv2d(64, 256, 3, groups=4), 16 * 9),
        (nn.ConvTranspose2d(64, 16, 3), 64 * 9),
    ],
)
def test_the_fan_of_a_convolution_is_what_one_output_adds_up(layer: nn.Module, fan_in: int) -> None:
    initialise(layer, "he", generator=torch.Generator().manual_seed(0))
    assert layer.get_parameter("weight").var().item() == pytest.approx(2 / fan_in, rel=0.05)
    assert not layer.get_parameter("bias").any()


def test_the_signal_keeps_its_size_through_twenty_layers_of_relu() -> None:
    model = nn.Sequential(*[part for _ in range(20) for part in (nn.Linear(256, 256), nn.ReLU())])
    generator = torch.Generator().manual_seed(0)
    initialise(model, generator=generator)
    inputs = torch.randn(64, 256, generator=generator)
    assert 0.2 < (model(inputs).square().mean() / inputs.square().mean()).item() < 5


def test_normalisation_stays_at_scale_one_and_shift_zero() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Flatten(), nn.LayerNorm(4))
    initialise(model, activation="tanh")
    for place in ("1", "3"):
        assert (model.get_parameter(f"{place}.weight") == 1).all()
        assert not model.get_parameter(f"{place}.bias").any()


def test_unknown_names_are_refused() -> None:
    with pytest.raises(TrainerError, match="the initialisation is 'kaiming': it can be auto, he, xavier"):
        initialise(nn.Linear(1, 1), "kaiming")
    with pytest.raises(
        TrainerError, match="the activation is 'swish': it can be relu, leaky_relu, gelu, tanh, sigmoid"
    ):
        initialise(nn.Linear(1, 1), activation="swish")
