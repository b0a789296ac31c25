"""A lane that is trained in groups. Trials of a group share a step: a line is of an evaluation, not of one trial."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from caviar.trainers import Trial
from caviar.trainers.pytorch.lanes.data import Data
from caviar.trainers.pytorch.lanes.lane import Lane

from .training import PACE_S, note


class Waves(Lane):
    """Learns a sum of waves with a small network."""

    defaults: ClassVar[Mapping[str, Any]] = {"optimizer": "momentum", "batch_size": 32, "device": "cpu"}
    _lines: Path | None = None

    def load_data(self, trial: Trial) -> Data:
        """64 and 32 examples, the same for all trials."""
        self._lines = trial.data
        generator = torch.Generator().manual_seed(0)
        inputs = torch.rand(96, 3, generator=generator) * 4 - 2
        targets = inputs.sin().sum(1, keepdim=True)
        return Data((inputs[:64], targets[:64]), (inputs[64:], targets[64:]))

    def make_model(self, config: Mapping[str, Any]) -> nn.Module:
        """One hidden layer."""
        return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))

    def loss(self, model: Any, batch: tuple[Tensor, ...], config: Mapping[str, Any]) -> Tensor:
        """The squared error."""
        inputs, targets = batch
        if not model.training:
            time.sleep(2 * PACE_S)
            note(self._lines, -1, 0)
        return mse_loss(model(inputs), targets)
