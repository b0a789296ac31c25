"""A classifier of handwritten digits: the training function of `examples/digits.yaml`."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ...search_spaces import Value
from ..state import load_state
from ..trial import Trial
from .data import Examples, digits
from .hyperparameters import Hyperparameters
from .minibatches import epoch_order, minibatches
from .models import build_model
from .optimizers import build_optimizer, set_learning_rate


def train(trial: Trial) -> Iterator[dict[str, float]]:
    """Trains one network, a step an epoch.

    Each epoch reports `train_loss` and `train_acc`, which are averages over the epoch's batches as they were trained
    (with dropout, and with weights that change on the way: a second pass over the data would cost half an epoch), and
    `val_loss` and `val_acc` of the dev part after the epoch. The test part takes no part in a search, because the
    choice of a configuration by a metric makes that metric too good: see `evaluate_on_test`.

    Raises:
        TrainerError: The configuration has an unknown name or a value out of range.
    """
    settings = Hyperparameters.from_config(trial.config)
    data = digits()
    model = build_model(settings)
    optimizer = build_optimizer(settings, model.parameters())
    trial.track(model=model, optimizer=optimizer)
    for epoch in trial.steps():
        set_learning_rate(optimizer, settings, epoch - 1)
        order = epoch_order(len(data.train), trial.seed, epoch)
        loss, accuracy = train_epoch(model, optimizer, data.train, minibatches(order, settings.batch_size))
        val_loss, val_acc = evaluate(model, data.dev)
        yield {"train_loss": loss, "train_acc": accuracy, "val_loss": val_loss, "val_acc": val_acc}


def train_epoch(
    model: nn.Module, optimizer: torch.optim.Optimizer, examples: Examples, batches: tuple[Tensor, ...]
) -> tuple[float, float]:
    """Goes through the batches once, changing the model and the optimizer.

    Args:
        model: From images [n, 64] to logits [n, 10].
        optimizer: Of the model's parameters.
        examples: What the batches are indices of.
        batches: int64 [n] each.

    Returns:
        The mean cross-entropy in nats and the share of right answers, over the examples as they were trained.
    """
    model.train()
    total, right, count = torch.zeros(()), torch.zeros(()), 0
    for batch in batches:
        labels = examples.labels[batch]
        logits = model(examples.images[batch])
        loss = cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.detach() * len(batch)
        right += (logits.detach().argmax(1) == labels).sum()
        count += len(batch)
    return total.item() / count, right.item() / count


@torch.no_grad()
def evaluate(model: nn.Module, examples: Examples) -> tuple[float, float]:
    """The mean cross-entropy in nats and the share of right answers, without dropout."""
    model.eval()
    logits = model(examples.images)
    accuracy = (logits.argmax(1) == examples.labels).float().mean()
    return cross_entropy(logits, examples.labels).item(), accuracy.item()


def evaluate_on_test(config: Mapping[str, Value], checkpoint: Path) -> dict[str, float]:
    """What a trained model does on examples that no decision of the search has seen.

    Call it once, for the configuration that the search has chosen: its dev accuracy is the best of many and therefore
    too good, its test accuracy is not.

    Args:
        config: The trial's configuration.
        checkpoint: The trial's checkpoint, such as `Results.best.checkpoint`.

    Returns:
        `test_loss` and `test_acc`.

    Raises:
        TrainerError: The checkpoint cannot be read.
    """
    model = build_model(Hyperparameters.from_config(config))
    model.load_state_dict(load_state(checkpoint)["model"])
    loss, accuracy = evaluate(model, digits().test)
    return {"test_loss": loss, "test_acc": accuracy}
