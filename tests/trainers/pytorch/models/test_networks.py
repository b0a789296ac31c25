from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

from caviar.trainers import TrainerError
from caviar.trainers.pytorch.models.blocks import (
    ClassToken,
    FeatureTokens,
    FirstToken,
    PixelsToTokens,
    Positions,
    Residual,
    SelfAttention,
    attend,
)
from caviar.trainers.pytorch.models.cnn import CNNSettings
from caviar.trainers.pytorch.models.mlp import MLPSettings
from caviar.trainers.pytorch.models.networks import NetworkSettings, build_network
from caviar.trainers.pytorch.models.resnet import ResNetSettings
from caviar.trainers.pytorch.models.transformer import TransformerSettings
from caviar.trainers.pytorch.parts.dropout import Dropout

RGB = (3, 16, 12)
ALL: list[NetworkSettings] = [
    MLPSettings(dropout=0.1),
    CNNSettings(batch_norm=True, dropout=0.1),
    ResNetSettings(dropout=0.1),
    TransformerSettings(dropout=0.1),
]


def kinds(model: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in model.children()]


def size(model: nn.Module) -> int:
    return sum(weights.numel() for weights in model.parameters())


def test_an_mlp_has_the_layers_that_its_settings_name() -> None:
    model = build_network(MLPSettings(widths=(32, 16), activation="tanh", dropout=0.1), (64,), 10)
    assert kinds(model) == ["Linear", "Tanh", "Dropout"] * 2 + ["Linear"]
    assert size(model) == (64 + 1) * 32 + (32 + 1) * 16 + (16 + 1) * 10


def test_a_norm_before_the_activation_makes_the_bias_needless_and_one_after_it_does_not() -> None:
    before = build_network(MLPSettings(batch_norm=True, widths=(32,)), (8,), 3)
    after = build_network(MLPSettings(batch_norm=True, norm_place="after", widths=(32,)), (8,), 3)
    assert kinds(before) == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert kinds(after) == ["Linear", "ReLU", "BatchNorm1d", "Linear"]
    assert size(after) - size(before) == 32
    assert before[0].bias is None
    assert before[3].bias is not None


def test_each_layer_can_have_its_own_dropout_rate() -> None:
    model = build_network(MLPSettings(widths=(8, 8), dropout=(0.0, 0.5)), (8,), 3)
    assert [repr(layer) for layer in model if isinstance(layer, Dropout)] == [
        "Dropout(rate=0.0)",
        "Dropout(rate=0.5)",
    ]


@pytest.mark.parametrize("settings", [MLPSettings, CNNSettings, ResNetSettings, TransformerSettings])
def test_a_rate_of_0_keeps_the_dropout_layers_and_none_leaves_them_out(
    settings: Callable[..., NetworkSettings],
) -> None:
    dropouts = [
        [type(module) for module in build_network(settings(dropout=rate), RGB, 5).modules()].count(Dropout)
        for rate in (0.0, 0.5, None)
    ]
    assert dropouts[0] == dropouts[1] > dropouts[2] == 0


def test_an_mlp_without_hidden_layers_is_a_linear_classifier() -> None:
    assert kinds(build_network(MLPSettings(widths=()), (64,), 10)) == ["Linear"]


@pytest.mark.parametrize("settings", ALL, ids=lambda settings: type(settings).__name__)
@pytest.mark.parametrize("shape", [(1, 8, 8), RGB, (4, 7, 5), (1, 2, 1)])
def test_networks_take_images_of_any_size_and_number_of_channels(
    settings: NetworkSettings, shape: tuple[int, ...]
) -> None:
    assert build_network(settings, shape, 5)(torch.randn(3, *shape)).shape == (3, 5)


@pytest.mark.parametrize("settings", [MLPSettings(), TransformerSettings()], ids=["mlp", "transformer"])
def test_mlps_and_transformers_take_tables(settings: NetworkSettings) -> None:
    assert build_network(settings, (6,), 5)(torch.randn(3, 6)).shape == (3, 5)


@pytest.mark.parametrize("settings", [CNNSettings(), ResNetSettings()], ids=["cnn", "resnet"])
def test_convolutional_networks_refuse_tables(settings: NetworkSettings) -> None:
    with pytest.raises(TrainerError, match=r"shape \(6,\): a convolutional network needs images"):
        build_network(settings, (6,), 5)


def test_a_cnn_pools_while_the_image_is_larger_than_2_by_2() -> None:
    model = build_network(CNNSettings(layers=3, batch_norm=True), (1, 8, 8), 10)
    convolution, dense = ["Conv2d", "BatchNorm2d", "ReLU"], ["Flatten", "Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert kinds(model) == [*convolution, "MaxPool2d", *convolution, "MaxPool2d", *convolution, *dense]
    assert size(model) == 9 * (16 + 2 * 16 * 16) + 6 * 16 + 2 * 2 * 16 * 64 + 2 * 64 + 65 * 10


def test_a_resnet_of_three_stages_of_three_blocks_is_the_papers_resnet_20() -> None:
    model = build_network(ResNetSettings(stages=3, blocks=3), (3, 32, 32), 10)
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    assert sum(convolution.kernel_size == (3, 3) for convolution in convolutions) == 19
    projections = (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)
    # 0.27 million in the paper's table 6; its shortcuts have no parameters.
    assert size(model) - projections == 269_722


def test_a_residual_block_with_zero_weights_is_the_identity() -> None:
    block = Residual(nn.Conv2d(2, 2, 3, padding=1), nn.Identity(), nn.Identity())
    for weights in block.parameters():
        nn.init.zeros_(weights)
    inputs = torch.randn(3, 2, 5, 5)
    assert block(inputs).equal(inputs)


def test_self_attention_is_that_of_torch() -> None:
    ours, torchs = SelfAttention(12, 3), nn.MultiheadAttention(12, 3, batch_first=True)
    assert torchs.in_proj_weight is not None
    with torch.no_grad():
        torchs.in_proj_weight.copy_(ours.queries_keys_values.weight)
        torchs.in_proj_bias.copy_(ours.queries_keys_values.bias)
    torchs.out_proj.load_state_dict(ours.output.state_dict())
    tokens = torch.randn(2, 5, 12)
    torch.testing.assert_close(ours(tokens), torchs(tokens, tokens, tokens)[0])


def test_attention_is_that_of_torch() -> None:
    queries, keys, values = torch.randn(3, 2, 4, 5, 8)
    torch.testing.assert_close(attend(queries, keys, values), scaled_dot_product_attention(queries, keys, values))


def test_a_transformer_reads_patches_in_their_places() -> None:
    model = build_network(TransformerSettings(patch=4), (1, 10, 8), 3).eval()
    positions = next(module for module in model if isinstance(module, Positions))
    assert positions.weight.shape == (1 + 3 * 2, 64)
    image = torch.randn(1, 1, 10, 8)
    assert not torch.allclose(model(image), model(image.flip(2)), atol=1e-3)


def test_every_pixel_reaches_a_transformer_whose_patches_do_not_divide_the_image() -> None:
    model = build_network(TransformerSettings(patch=4), (1, 7, 9), 3)
    image = torch.randn(1, 1, 7, 9, requires_grad=True)
    model(image).square().sum().backward()
    assert image.grad is not None
    assert image.grad.ne(0).all()


def test_a_transformer_has_a_token_a_feature_and_one_for_the_class() -> None:
    settings = TransformerSettings(width=8, heads=2, depth=1, hidden=16)
    attention, dense, norms = 4 * (8 * 8 + 8), (8 + 1) * 16 + (16 + 1) * 8, 3 * 2 * 8
    assert size(build_network(settings, (5,), 3)) == 2 * 5 * 8 + 8 + attention + dense + norms + (8 + 1) * 3


@pytest.mark.parametrize("settings", ALL, ids=lambda settings: type(settings).__name__)
@pytest.mark.parametrize("shape", [(1, 8, 8), (6,)], ids=["images", "table"])
def test_stacked_networks_give_under_vmap_what_each_gives_alone(
    settings: NetworkSettings, shape: tuple[int, ...]
) -> None:
    if len(shape) == 1 and isinstance(settings, CNNSettings | ResNetSettings):
        return
    models = [build_network(settings, shape, 4).eval() for _ in range(3)]
    inputs, labels = torch.randn(3, 5, *shape), torch.randint(4, (3, 5))
    parameters, buffers = stack_module_state([*models])

    def loss(parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(functional_call(models[0], (parameters, buffers), (x,)), y)

    together = vmap(grad(loss))(parameters, buffers, inputs, labels)
    for lane, model in enumerate(models):
        cross_entropy(model(inputs[lane]), labels[lane]).backward()  # type: ignore[no-untyped-call]
        for name, weights in model.named_parameters():
            assert weights.grad is not None
            torch.testing.assert_close(together[name][lane], weights.grad, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: Residual(nn.Identity(), nn.Identity(), nn.ReLU()), (4, 6)),
        (lambda: FeatureTokens(6, 4), (6,)),
        (lambda: ClassToken(6), (4, 6)),
        (lambda: Positions(4, 6), (4, 6)),
        (PixelsToTokens, (6, 3, 2)),
        (FirstToken, (4, 6)),
    ],
)
def test_blocks_take_lanes_as_one_dimension_more(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    lanes = [make() for _ in range(3)]
    parameters, _ = stack_module_state(lanes)
    inputs = torch.randn(3, 5, *shape)
    alone = torch.stack([module(rows) for module, rows in zip(lanes, inputs, strict=True)])
    assert functional_call(lanes[0], parameters, (inputs,)).equal(alone)


@pytest.mark.parametrize("settings", ALL, ids=lambda settings: type(settings).__name__)
def test_small_networks_learn_to_tell_left_from_right(settings: NetworkSettings) -> None:
    torch.manual_seed(0)
    model = build_network(settings, (1, 8, 8), 2)
    labels = torch.arange(64) % 2
    images = torch.randn(64, 1, 8, 8)
    images[labels == 0, :, :, :4] += 1
    images[labels == 1, :, :, 4:] += 1
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(30):
        optimizer.zero_grad()
        cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert (model.eval()(images).argmax(1) == labels).float().mean() > 0.9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (MLPSettings(activation="swish"), "the activation is 'swish': it can be relu"),
        (MLPSettings(init="lecun"), "the initialisation is 'lecun'"),
        (MLPSettings(dropout=(0.1,)), "dropout has 1 rates for 2 hidden layers"),
        (CNNSettings(dropout=1.0), "dropout is 1.0: it should be at least 0 and below 1"),
        (MLPSettings(norm_place="around"), "norm_place is 'around': it can be before or after"),  # type: ignore[arg-type]
        (TransformerSettings(width=10, heads=4), "width is 10: it should be a multiple of the 4 heads"),
    ],
)
def test_settings_that_cannot_be_built_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(TrainerError) as caught:
        build_network(settings, (1, 8, 8), 10)
    assert message in str(caught.value)


def test_a_transformer_starts_as_glorot_and_bengio_say_unless_it_is_told_otherwise() -> None:
    settings = TransformerSettings(width=64, hidden=512, depth=1)
    weights = [
        max((weights for weights in build_network(chosen, (5,), 3).parameters()), key=Tensor.numel).var().item()
        for chosen in (settings, replace(settings, init="he"))
    ]
    assert weights == pytest.approx([2 / (64 + 512), 2 / 64], rel=0.05)
