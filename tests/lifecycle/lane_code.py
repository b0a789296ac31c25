"""A lane for whole sweeps: small networks of different widths and depths, some of which cannot be trained."""

import os
import time
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from caviar.trainers import Trial
from caviar.trainers.pytorch.lanes.data import Data
from caviar.trainers.pytorch.lanes.lane import Lane
from caviar.trainers.pytorch.parts.dropout import Dropout


class Waves(Lane):
    """Learns a sum of waves; a learning rate above 0.5 ends in numbers that are not finite.

    Its hyperparameter `pace` is how many milliseconds more an evaluation takes, so that a test can catch it half way.
    """

    defaults: ClassVar[dict[str, Any]] = {"optimizer": "momentum", "batch_size": 16, "device": "cpu", "pace": 0}
    padded: ClassVar[tuple[str, ...]] = ("hidden",)

    def load_data(self, trial: Trial) -> Data:
        generator = torch.Generator().manual_seed(0)
        inputs = torch.rand(96, 3, generator=generator) * 4 - 2
        targets = inputs.sin().sum(1, keepdim=True)
        return Data((inputs[:64], targets[:64]), (inputs[64:], targets[64:]))

    def make_model(self, config: Any) -> nn.Module:
        layers: list[nn.Module] = []
        width = 3
        for _ in range(config["layers"]):
            layers += [nn.Linear(width, config["hidden"]), nn.ReLU(), Dropout(config["dropout"])]
            width = config["hidden"]
        return nn.Sequential(*layers, nn.Linear(width, 1))

    def loss(self, model: Any, batch: tuple[Tensor, ...], config: Any) -> Tensor:
        inputs, targets = batch
        if not model.training:
            time.sleep(config["pace"] / 1000)
        scale = torch.where(torch.as_tensor(config["lr"]) > 0.5, float("inf"), 1.0)
        return mse_loss(model(inputs), targets) * scale


class KilledOnce(Waves):
    """The same, but the first process that evaluates a model ends there."""

    def loss(self, model: Any, batch: tuple[Tensor, ...], config: Any) -> Tensor:
        if not model.training and _is_first(Path(config["marker"])):
            os.kill(os.getpid(), 9)
        return super().loss(model, batch, config)


class Unreadable(Waves):
    """The same, but its data cannot be read."""

    def load_data(self, trial: Trial) -> Data:
        raise FileNotFoundError("no such waves")


class Fussy(Waves):
    """The same, but models of an odd width cannot be made."""

    def make_model(self, config: Any) -> nn.Module:
        if config["hidden"] % 2:
            raise ValueError(f"{config['hidden']} is odd")
        return super().make_model(config)


def _is_first(path: Path) -> bool:
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
