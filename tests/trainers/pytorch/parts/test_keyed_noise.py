"""Random numbers by key and place, and dropout by them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.func import vmap

from caviar.trainers.pytorch.lanes.dropout_masks import DropoutMasks
from caviar.trainers.pytorch.parts.dropout import Dropout, drop, keyed_dropout, set_dropout_keys
from caviar.trainers.pytorch.parts.noise import batch_keys, stream_keys, uniform16, uniforms

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.integers(1, 1000), st.integers(1, 20), st.integers(1, 40), st.integers(1, 40))
def test_a_number_depends_on_its_key_and_place_alone(seed: int, epoch: int, rows: int, columns: int, more: int) -> None:
    keys = batch_keys(torch.tensor([seed, seed ^ 1]), epoch, 3)
    alone = batch_keys(torch.tensor(seed), epoch, 5)[1]
    assert keys[1, 0] == alone
    wide = uniforms(keys[1], rows + more, columns + more)
    assert torch.equal(wide[0, :rows, :columns], uniforms(alone, rows, columns))
    assert torch.equal(
        uniform16(keys[1], rows, [columns + more])[0, :, :columns], uniform16(alone, rows, [columns])[:, :columns]
    )


@given(SEEDS)
def test_uniform_numbers_are_uniform_and_uncorrelated(seed: int) -> None:
    key, other = batch_keys(torch.tensor(seed), 1, 2)
    numbers = uniforms(key, 200, 200, torch.float64)
    assert 0 <= numbers.min() < 0.001
    assert 0.999 < numbers.max() < 1
    assert numbers.mean().item() == pytest.approx(0.5, abs=0.01)
    assert numbers.var().item() == pytest.approx(1 / 12, abs=0.005)
    beside = [
        uniforms(other, 200, 200, torch.float64),
        uniforms(stream_keys(key, 1), 200, 200, torch.float64),
        numbers.roll(1, 0),
    ]
    for unrelated in beside:
        assert abs(torch.corrcoef(torch.stack([numbers.flatten(), unrelated.flatten()]))[0, 1]) < 0.03


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(rate: float) -> None:
    layer = Dropout(rate)
    set_dropout_keys(layer, batch_keys(torch.tensor(3), 1, 1)[0])
    outputs = layer(torch.ones(400, 300))
    assert (outputs == 0).float().mean().item() == pytest.approx(rate, abs=0.005)
    assert outputs.mean().item() == pytest.approx(1, abs=0.02)
    assert torch.equal(layer.eval()(torch.ones(5, 2)), torch.ones(5, 2))


def test_dropout_without_a_key_is_that_of_torch() -> None:
    inputs = torch.randn(50, 20)
    torch.manual_seed(0)
    expected = nn.Dropout(0.3)(inputs)
    torch.manual_seed(0)
    assert torch.equal(Dropout(0.3)(inputs), expected)


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_a_rate_out_of_range_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="rate: a dropout rate is at least 0 and below 1"):
        Dropout(rate)


def test_dropout_of_torch_is_replaced_wherever_it_stands_in_a_model() -> None:
    model = keyed_dropout(nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.25))))
    assert [repr(layer) for layer in model.modules() if isinstance(layer, Dropout)] == [
        "Dropout(rate=0.5)",
        "Dropout(rate=0.25)",
    ]


def test_a_layer_that_is_called_again_with_its_key_drops_other_units() -> None:
    layer, key = nn.Dropout(0.5), torch.tensor(1)
    model = keyed_dropout(nn.Sequential(layer, nn.Identity(), layer))
    assert model[0] is model[2]  # type: ignore[index]
    ones = torch.ones(64, 64)

    def twice() -> tuple[torch.Tensor, torch.Tensor]:
        set_dropout_keys(model, key)
        return model[0](ones), model[0](ones)  # type: ignore[index]

    first, again = twice()
    assert (first * again).count_nonzero().item() / first.numel() == pytest.approx(0.25, abs=0.04)
    assert all(map(torch.equal, twice(), (first, again)))


def test_masks_of_many_batches_and_layers_are_those_of_each_alone() -> None:
    layers = {"a": Dropout(0.2), "b": Dropout(0.5)}
    lanes, sizes = 3, [8, 8, 8, 5]
    for layer, units in zip(layers.values(), (7, 300), strict=True):
        layer.units = units
    rates = {"a": [0.0, 0.2, 0.9], "b": [0.5, 0.1, 0.3]}
    made = {name: [Dropout(rate) for rate in rates[name]] for name in layers}
    buffers = {
        f"{name}.{kind}": torch.stack([getattr(layer, kind) for layer in made[name]])
        for name in layers
        for kind in ("threshold", "scale")
    }
    keys = batch_keys(torch.arange(lanes), 1, len(sizes))
    masks = DropoutMasks(layers, buffers, keys, sizes, torch.float32)
    for batch, examples in enumerate(sizes):
        for number, (name, layer) in enumerate(layers.items()):
            inputs = torch.ones(lanes, examples, layer.units)
            threshold, scale = buffers[f"{name}.threshold"], buffers[f"{name}.scale"]
            alone = drop(inputs, threshold, scale, keys[batch], number)
            assert torch.equal(masks.of(batch)[f"{name}.mask"], alone)
            each = vmap(lambda x, t, s, k, number=number: drop(x, t, s, k, number))
            assert torch.equal(each(inputs, threshold, scale, keys[batch]), alone)
