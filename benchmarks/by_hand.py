"""Many networks trained at once by loops written out for one architecture: about what the arithmetic itself costs.

They do what a group of Caviar's digits trials does, from the same weights and in the same order of the examples: an
epoch of SGD with momentum in batches, the loss and the accuracy of training as it goes, and an evaluation on the dev
part. They can do nothing else: no other layers or optimizers, no guard against a loss that is not finite, no saving.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 the name that torch gives it

from caviar.trainers.pytorch.lanes.data import Data
from caviar.trainers.pytorch.parts.minibatches import epoch_order


@dataclass(frozen=True, slots=True)
class Settings:
    """How networks are trained.

    Attributes:
        lr: float [lanes].
        momentum: float [lanes].
        seeds: That decide the order of the examples, one for each lane.
        batch_size: Examples in an update.
    """

    lr: Tensor
    momentum: Tensor
    seeds: Sequence[int]
    batch_size: int = 64


class ByHand:
    """Networks of one architecture, which a subclass knows, that are trained at once.

    Attributes:
        parameters: Weights and biases, each [lanes, ...].

    Args:
        models: They have the initial weights, which are copied.
        settings: How they are trained.
        data: Images [n, 1, height, width] and labels, where the models are.
    """

    def __init__(self, models: Sequence[nn.Module], settings: Settings, data: Data) -> None:
        columns = zip(*(model.parameters() for model in models), strict=True)
        self.parameters = [torch.stack([parameter.detach() for parameter in column]) for column in columns]
        self._velocities = [torch.zeros_like(parameter) for parameter in self.parameters]
        self._settings, self._data, self._epoch = settings, data, 0

    def gradients(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """The metrics of a batch and the gradient of each parameter.

        Args:
            images: float [lanes, n, 1, height, width].
            labels: int64 [lanes, n].

        Returns:
            `metrics` of the logits, and the gradients of the mean losses in the order of `parameters`.
        """
        raise NotImplementedError

    def logits(self, images: Tensor) -> Tensor:
        """[lanes, classes, n] for images [lanes, n, 1, height, width]."""
        raise NotImplementedError

    def step(self) -> list[dict[str, float]]:
        """Trains each network an epoch and evaluates it, as `FusedTrainings.step` does."""
        self._epoch += 1
        means = torch.cat([self._train(), self._evaluate()]).T.tolist()
        names = ("train_loss", "train_acc", "val_loss", "val_acc")
        return [dict(zip(names, values, strict=True)) for values in means]

    def _train(self) -> Tensor:
        images, labels = self._data.train
        orders = [epoch_order(len(labels), seed, self._epoch) for seed in self._settings.seeds]
        sums = images.new_zeros(2, len(orders))
        for places in torch.split(torch.stack(orders).to(labels.device), self._settings.batch_size, 1):
            flat = places.reshape(-1)
            batch = images.index_select(0, flat).view(*places.shape, *images.shape[1:])
            means, slopes = self.gradients(batch, labels.index_select(0, flat).view(places.shape))
            sums.add_(means, alpha=places.shape[1])
            self._update(slopes)
        return sums / len(labels)

    @torch.no_grad()
    def _update(self, slopes: Sequence[Tensor]) -> None:
        for parameter, velocity, slope in zip(self.parameters, self._velocities, slopes, strict=True):
            ones = (1,) * (parameter.dim() - 1)
            velocity.mul_(self._settings.momentum.view(-1, *ones)).add_(slope)
            parameter.addcmul_(velocity, self._settings.lr.view(-1, *ones), value=-1)

    @torch.no_grad()
    def _evaluate(self) -> Tensor:
        images, labels = self._data.dev
        lanes = len(self._settings.seeds)
        logits = self.logits(images.expand(lanes, *images.shape))
        return metrics(F.log_softmax(logits, 1), labels.expand(lanes, -1))


class MLPByHand(ByHand):
    """Multilayer perceptrons of two hidden layers with ReLU; their gradients are written out."""

    def logits(self, images: Tensor) -> Tensor:
        """[lanes, classes, n] for images [lanes, n, 1, height, width]."""
        return self._forward(images.flatten(2))[-1]

    @torch.no_grad()
    def gradients(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """The metrics of a batch and the gradient of each parameter."""
        inputs = images.flatten(2)
        _, _, second, _, last, _ = self.parameters
        below, above, logits = self._forward(inputs)
        log_shares = F.log_softmax(logits, 1)
        means = metrics(log_shares, labels)
        minus_one = log_shares.new_full((1, 1, 1), -1.0).expand(len(labels), 1, labels.shape[1])
        d_logits = log_shares.exp_().scatter_add_(1, labels[:, None], minus_one).div_(labels.shape[1])
        d_above = _through_relu(torch.bmm(d_logits.mT, last), above)
        d_below = _through_relu(torch.bmm(d_above, second), below)
        slopes = [torch.bmm(d_below.mT, inputs), d_below.sum(1), torch.bmm(d_above.mT, below), d_above.sum(1)]
        return means, [*slopes, torch.bmm(d_logits, above), d_logits.sum(2)]

    def _forward(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Both hidden layers, [lanes, n, units], and the logits, [lanes, classes, n]."""
        first, first_bias, second, second_bias, last, last_bias = self.parameters
        below = torch.baddbmm(first_bias[:, None], inputs, first.mT).relu_()
        above = torch.baddbmm(second_bias[:, None], below, second.mT).relu_()
        return below, above, torch.baddbmm(last_bias[:, :, None], last, above.mT)


class CNNByHand(ByHand):
    """Two 3x3 convolutions, each with ReLU and max-pooling, and a hidden layer; autograd finds the gradients."""

    def logits(self, images: Tensor) -> Tensor:
        """[lanes, classes, n] for images [lanes, n, 1, height, width]."""
        *convolutions, dense, dense_bias, last, last_bias = self.parameters
        lanes, examples = images.shape[:2]
        # Pooling and convolutions of few channels are several times faster where the channels lie last in memory.
        maps = images.transpose(0, 1).flatten(1, 2).contiguous(memory_format=torch.channels_last)
        for weight, bias in zip(convolutions[::2], convolutions[1::2], strict=True):
            maps = F.conv2d(maps, weight.flatten(0, 1), bias.flatten(), padding=1, groups=lanes)
            maps = F.relu(F.max_pool2d(maps, 2))
        features = maps.reshape(examples, lanes, -1).transpose(0, 1)
        hidden = torch.baddbmm(dense_bias[:, None], features, dense.mT).relu_()
        return torch.baddbmm(last_bias[:, :, None], last, hidden.mT)

    def gradients(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """The metrics of a batch and the gradient of each parameter."""
        for parameter in self.parameters:
            parameter.requires_grad_()
        means = metrics(F.log_softmax(self.logits(images), 1), labels)
        return means.detach(), torch.autograd.grad(means[0].sum(), self.parameters)


def metrics(log_shares: Tensor, labels: Tensor) -> Tensor:
    """The mean cross-entropy and the share of right answers of each lane, [2, lanes].

    Args:
        log_shares: Logarithms of the softmax, [lanes, classes, n].
        labels: int64 [lanes, n].
    """
    of_labels = log_shares.gather(1, labels[:, None])[:, 0]
    # An argmax would say the same and, across rows of memory, take 20 times as long as the largest value.
    return torch.stack([-of_labels.mean(1), (of_labels == log_shares.detach().amax(1)).float().mean(1)])


def _through_relu(slopes: Tensor, outputs: Tensor) -> Tensor:
    """Slopes by a ReLU's outputs as slopes by its inputs."""
    passed: Tensor = torch.ops.aten.threshold_backward(slopes, outputs, 0)
    return passed
