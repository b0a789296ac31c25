"""A training of the kind that people write for a tuner: plain PyTorch, one network at a time, on the data of Caviar.

It does in an epoch what `caviar.trainers.pytorch.digits:train` does in one: the same examples, layers, initial
variances, update rule and schedule, and the same metrics.
"""

import math
import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 the name that torch gives it

from caviar.trainers.pytorch.lanes.data import digits_data

BATCH_SIZE = 64
DIVERGED = 1e9
"""What is reported for a loss that is not finite: tuners order numbers."""


class PlainTraining:
    """One trial, trained epoch by epoch.

    Args:
        config: lr, one_minus_momentum, hidden, dropout, weight_decay and decay.
        record: The folder in which every epoch is noted, for the clock.
    """

    def __init__(self, config: Mapping[str, Any], record: Path) -> None:
        torch.set_num_threads(1)
        self._data = digits_data()
        self._model = _network(config["hidden"], config["dropout"])
        self._optimizer = torch.optim.SGD(
            self._model.parameters(),
            lr=config["lr"],
            momentum=1 - config["one_minus_momentum"],
            weight_decay=config["weight_decay"],
        )
        decay = config["decay"]
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, lambda epoch: 1 / (1 + decay * epoch))
        self._trial, self._record = uuid.uuid4().hex, record / f"{os.getpid()}.csv"

    def epoch(self) -> dict[str, float]:
        """Trains one epoch and evaluates on the dev part."""
        trained, evaluated = self._train(), self._evaluate()
        values = {"train_loss": trained[0], "train_acc": trained[1], "val_loss": evaluated[0], "val_acc": evaluated[1]}
        report = {name: value if math.isfinite(value) else DIVERGED for name, value in values.items()}
        with self._record.open("a", encoding="utf-8") as file:
            file.write(f"{self._trial},{time.time()},{report['val_loss']},{report['val_acc']}\n")
        return report

    def _train(self) -> tuple[float, float]:
        images, labels = self._data.train
        total_loss = total_right = 0.0
        self._model.train()
        for places in torch.split(torch.randperm(len(labels)), BATCH_SIZE):
            loss, right = _loss(self._model(images[places]), labels[places])
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            total_loss += loss.item() * len(places)
            total_right += right
        self._schedule.step()
        return total_loss / len(labels), total_right / len(labels)

    @torch.no_grad()
    def _evaluate(self) -> tuple[float, float]:
        images, labels = self._data.dev
        self._model.eval()
        loss, right = _loss(self._model(images), labels)
        return loss.item(), right / len(labels)


def _network(hidden: int, dropout: float) -> nn.Sequential:
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, 10),
    )
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return model


def _loss(logits: Tensor, labels: Tensor) -> tuple[Tensor, int]:
    """The mean cross-entropy, and how many answers are right."""
    return F.cross_entropy(logits, labels), int((logits.argmax(1) == labels).sum().item())
