from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from caviar.trainers.pytorch.parts.losses import accuracy, cross_entropy, l2_penalty

LANES, EXAMPLES, CLASSES = 3, 6, 5
SMOOTHINGS = torch.tensor([0.0, 0.1, 0.4], dtype=torch.float64)

Targets = Callable[[], Tensor]


@pytest.fixture
def logits() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return 3 * torch.randn(LANES, EXAMPLES, CLASSES, generator=generator, dtype=torch.float64)


def indices() -> Tensor:
    return torch.randint(CLASSES, (LANES, EXAMPLES), generator=torch.Generator().manual_seed(2))


def probabilities() -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(LANES, EXAMPLES, CLASSES, generator=generator, dtype=torch.float64).softmax(-1)


def value_and_gradient(loss: Callable[[Tensor], Tensor], logits: Tensor) -> tuple[Tensor, Tensor]:
    leaf = logits.clone().requires_grad_()
    value = loss(leaf)
    (gradient,) = torch.autograd.grad(value.sum(), leaf)
    return value.detach(), gradient


def assert_equal(ours: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("make_targets", [indices, probabilities])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_cross_entropy_is_that_of_torch_in_value_and_gradient(
    smoothing: float, make_targets: Targets, logits: Tensor
) -> None:
    targets = make_targets()[0]
    ours = value_and_gradient(lambda x: cross_entropy(x, targets, smoothing), logits[0])
    theirs = value_and_gradient(lambda x: functional.cross_entropy(x, targets, label_smoothing=smoothing), logits[0])
    assert ours[0].shape == ()
    assert_equal(ours, theirs)


@pytest.mark.parametrize("make_targets", [indices, probabilities])
def test_each_lane_has_its_own_loss_and_its_own_smoothing(make_targets: Targets, logits: Tensor) -> None:
    targets = make_targets()
    together = value_and_gradient(lambda x: cross_entropy(x, targets, SMOOTHINGS), logits)
    for lane, smoothing in enumerate(SMOOTHINGS.tolist()):
        alone = value_and_gradient(
            lambda x, lane=lane, smoothing=smoothing: functional.cross_entropy(  # type: ignore[misc]
                x, targets[lane], label_smoothing=smoothing
            ),
            logits[lane],
        )
        assert_equal((together[0][lane], together[1][lane]), alone)


@pytest.mark.parametrize("make_targets", [indices, probabilities])
def test_cross_entropy_works_under_vmap_and_grad(make_targets: Targets, logits: Tensor) -> None:
    targets = make_targets()
    mapped = torch.func.vmap(torch.func.grad_and_value(cross_entropy))(logits, targets, SMOOTHINGS)
    direct = value_and_gradient(lambda x: cross_entropy(x, targets, SMOOTHINGS), logits)
    assert_equal(mapped, (direct[1], direct[0]))


def test_one_hot_probabilities_give_the_bits_of_class_indices(logits: Tensor) -> None:
    one_hot = functional.one_hot(indices(), CLASSES).float()
    assert torch.equal(cross_entropy(logits.float(), one_hot), cross_entropy(logits.float(), indices()))


def test_class_indices_may_be_bytes(logits: Tensor) -> None:
    assert torch.equal(cross_entropy(logits, indices().byte()), cross_entropy(logits, indices()))
    assert torch.equal(accuracy(logits, indices().byte()), accuracy(logits, indices()))


def test_the_loss_has_the_precision_of_the_logits(logits: Tensor) -> None:
    assert cross_entropy(logits.float(), indices(), SMOOTHINGS.float()).dtype == torch.float32
    assert cross_entropy(logits, indices(), SMOOTHINGS).dtype == torch.float64


def test_accuracy_is_the_share_of_right_answers_of_each_lane() -> None:
    logits = torch.tensor([[[0.0, 2.0], [3.0, 1.0]], [[5.0, 4.0], [0.0, 1.0]]])
    labels = torch.tensor([[1, 0], [1, 1]])
    assert accuracy(logits, labels).tolist() == [1, 0.5]
    assert accuracy(logits[1], labels[1]).item() == 0.5


def test_the_largest_probability_counts_as_the_right_answer() -> None:
    logits = torch.tensor([[0.0, 2.0], [3.0, 1.0]])
    assert accuracy(logits, torch.tensor([[0.3, 0.7], [0.2, 0.8]])).item() == 0.5


def test_the_gradient_of_the_l2_penalty_is_the_weight_decay_of_an_optimizer() -> None:
    generator = torch.Generator().manual_seed(4)
    by_loss = [torch.randn(4, 3, generator=generator), torch.randn(3, generator=generator)]
    by_optimizer = [parameter.clone().requires_grad_() for parameter in by_loss]
    for parameter in by_loss:
        parameter.requires_grad_()
    l2_penalty(by_loss, 0.3).backward()  # type: ignore[no-untyped-call]
    for parameter in by_optimizer:
        parameter.grad = torch.zeros_like(parameter)
    torch.optim.SGD(by_loss, lr=0.1).step()
    torch.optim.SGD(by_optimizer, lr=0.1, weight_decay=0.3).step()
    for mine, theirs in zip(by_loss, by_optimizer, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_each_lane_has_its_own_l2_penalty() -> None:
    weights, biases = torch.tensor([[[1.0, 2.0]], [[3.0, 0.0]]]), torch.tensor([2.0, 1.0])
    assert l2_penalty([weights, biases], torch.tensor([1.0, 0.5])).tolist() == [4.5, 2.5]
    assert l2_penalty([weights[0], biases[0]], 1.0).item() == 4.5
