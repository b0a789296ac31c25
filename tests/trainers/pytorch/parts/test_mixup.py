import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional

from caviar.trainers import TrainerError
from caviar.trainers.pytorch.parts.losses import cross_entropy
from caviar.trainers.pytorch.parts.mixup import mixing_shares, mixup

LANES, EXAMPLES, CLASSES = 4, 7, 3
ALPHAS = torch.tensor([0.2, 0.0, 1.0, 3.0])


@pytest.fixture
def chance() -> torch.Generator:
    return torch.Generator().manual_seed(11)


@pytest.fixture
def inputs(chance: torch.Generator) -> Tensor:
    return torch.randn(LANES, EXAMPLES, 2, 4, 4, generator=chance)


@pytest.fixture
def labels(chance: torch.Generator) -> Tensor:
    return torch.randint(CLASSES, (LANES, EXAMPLES), generator=chance)


@pytest.fixture
def uniforms(chance: torch.Generator) -> Tensor:
    return torch.rand(LANES, EXAMPLES + 1, generator=chance)


def test_inputs_and_targets_are_blended_with_the_same_partner_and_share() -> None:
    inputs = torch.tensor([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]])
    labels = torch.tensor([0, 1, 2])
    partners_and_share = torch.tensor([0.9, 0.1, 0.5, 0.25])
    blended, targets = mixup(inputs, labels, 1.0, partners_and_share, classes=3)
    # Beta(1, 1) is uniform, so the share is .25; the ranks of the uniforms make the partners 1, 2, 0.
    torch.testing.assert_close(blended, torch.tensor([[7.75, 15.5], [77.5, 155.0], [25.75, 51.5]]))
    torch.testing.assert_close(targets, torch.tensor([[0.25, 0.75, 0], [0, 0.25, 0.75], [0.75, 0, 0.25]]))


def test_the_loss_of_blended_targets_is_the_blend_of_the_losses(
    inputs: Tensor, labels: Tensor, uniforms: Tensor, chance: torch.Generator
) -> None:
    logits = torch.randn(EXAMPLES, CLASSES, generator=chance)
    _, targets = mixup(inputs[0], labels[0], 0.7, uniforms[0], CLASSES)
    share, partners = mixing_shares(0.7, uniforms[0, -1]), labels[0][uniforms[0, :-1].argsort()]
    expected = share * cross_entropy(logits, labels[0]) + (1 - share) * cross_entropy(logits, partners)
    torch.testing.assert_close(cross_entropy(logits, targets), expected)


def test_a_permutation_of_partners_keeps_the_mean_of_the_batch(
    inputs: Tensor, labels: Tensor, uniforms: Tensor
) -> None:
    blended, targets = mixup(inputs, labels, ALPHAS, uniforms, CLASSES)
    torch.testing.assert_close(blended.mean(1), inputs.mean(1))
    torch.testing.assert_close(targets.mean(1), functional.one_hot(labels, CLASSES).float().mean(1))


@pytest.mark.parametrize("alpha", [0.2, 0.4, 1.0, 4.0])
def test_shares_have_the_beta_distribution(alpha: float, chance: torch.Generator) -> None:
    shares = mixing_shares(alpha, torch.rand(4000, generator=chance, dtype=torch.float64))
    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 0.01
    draws = np.random.default_rng(5).beta(alpha, alpha, 4000)
    assert stats.ks_2samp(shares, draws).pvalue > 0.01


@pytest.mark.parametrize("alpha", [1e-4, 1e-2, 0.3, 1.0, 50.0])
def test_shares_invert_the_distribution_function_and_are_finite_for_every_uniform(alpha: float) -> None:
    uniforms = torch.tensor([0.0, 1e-7, 0.2, 0.5, 0.8, 1 - 2**-24], dtype=torch.float64)
    shares = mixing_shares(alpha, uniforms)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert (shares.diff() >= 0).all()
    np.testing.assert_allclose(shares, stats.beta(alpha, alpha).ppf(uniforms), atol=1e-9)


def test_alpha_zero_gives_everything_back(inputs: Tensor, labels: Tensor, uniforms: Tensor) -> None:
    blended, targets = mixup(inputs, labels, 0.0, uniforms)
    assert blended is inputs
    assert targets is labels


def test_a_lane_with_alpha_zero_keeps_its_values(inputs: Tensor, labels: Tensor, uniforms: Tensor) -> None:
    blended, targets = mixup(inputs, labels, ALPHAS, uniforms, CLASSES)
    assert torch.equal(blended[1], inputs[1])
    assert torch.equal(targets[1], functional.one_hot(labels[1], CLASSES).float())
    assert not torch.equal(blended[0], inputs[0])


@pytest.mark.parametrize("alpha_type", [float, torch.tensor])
def test_a_lane_is_blended_as_it_is_alone(alpha_type: type, inputs: Tensor, labels: Tensor, uniforms: Tensor) -> None:
    probabilities = functional.one_hot(labels, CLASSES).float()
    blended, targets = mixup(inputs, probabilities, ALPHAS, uniforms)
    for lane, alpha in enumerate(ALPHAS.tolist()):
        alone = mixup(inputs[lane], probabilities[lane], alpha_type(alpha), uniforms[lane])
        assert torch.equal(blended[lane], alone[0])
        assert torch.equal(targets[lane], alone[1])


def test_lanes_under_vmap_are_blended_as_they_are_without(inputs: Tensor, labels: Tensor, uniforms: Tensor) -> None:
    def each(inputs: Tensor, labels: Tensor, alpha: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
        return mixup(inputs, labels, alpha, uniforms, CLASSES)

    mapped = torch.func.vmap(each)(inputs, labels, ALPHAS, uniforms)
    together = mixup(inputs, labels, ALPHAS, uniforms, CLASSES)
    assert all(torch.equal(mine, other) for mine, other in zip(mapped, together, strict=True))
    one_alpha = torch.func.vmap(each, in_dims=(0, 0, None, 0))(inputs, labels, ALPHAS[0], uniforms)
    assert torch.equal(one_alpha[0], mixup(inputs, labels, 0.2, uniforms, CLASSES)[0])


def test_gradients_flow_to_the_inputs_by_their_shares(uniforms: Tensor) -> None:
    inputs = torch.ones(EXAMPLES, 2, dtype=torch.float64, requires_grad=True)
    targets = torch.full((EXAMPLES, CLASSES), 1 / CLASSES, dtype=torch.float64)
    for_one = torch.zeros(EXAMPLES, 2, dtype=torch.float64)
    for_one[0] = 1
    blended, _ = mixup(inputs, targets, 0.7, uniforms[0])
    (gradient,) = torch.autograd.grad((blended * for_one).sum(), inputs)
    share = mixing_shares(0.7, uniforms[0, -1]).item()
    partner = int(uniforms[0, :-1].argsort()[0])
    expected = for_one * share
    expected[partner] += 1 - share
    torch.testing.assert_close(gradient, expected)
    assert torch.equal(inputs, torch.ones_like(inputs))


def test_an_alpha_that_no_distribution_has_is_refused(inputs: Tensor, labels: Tensor, uniforms: Tensor) -> None:
    with pytest.raises(TrainerError, match=r"alpha of mixup is \[-1\.0\]: it should be at least 0"):
        mixup(inputs[0], labels[0], -1.0, uniforms[0], CLASSES)
    with pytest.raises(TrainerError, match="should be at least 0"):
        mixup(inputs, labels, torch.tensor([0.1, torch.nan, 0.1, 0.1]), uniforms, CLASSES)


def test_class_indices_without_a_number_of_classes_are_refused(
    inputs: Tensor, labels: Tensor, uniforms: Tensor
) -> None:
    with pytest.raises(TrainerError, match="tell it how many classes there are"):
        mixup(inputs, labels, 0.2, uniforms)


def test_uniforms_that_do_not_fit_the_batch_are_refused(inputs: Tensor, labels: Tensor, uniforms: Tensor) -> None:
    with pytest.raises(TrainerError, match=r"inputs of mixup are \[4, 7, 2, 4, 4\] and its uniforms \[4, 7\]"):
        mixup(inputs, labels, 0.2, uniforms[:, 1:], CLASSES)
