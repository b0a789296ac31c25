"""Training code of a person who wrote it in a file, in each of the forms. Loaded by path in the tests."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from caviar.trainers import Trial


def build() -> tuple[nn.Module, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    model = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
    return model, optimizer, torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4], gamma=0.5)


def train_step(model: nn.Module, optimizer: torch.optim.Optimizer) -> float:
    """A step on data drawn from the global generators of torch and numpy."""
    inputs = torch.randn(32, 4)
    targets = inputs.sum(1, keepdim=True) + float(np.random.normal())
    loss = nn.functional.mse_loss(model(inputs), targets)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()


def train(trial: Trial) -> Iterator[dict[str, float]]:
    model, optimizer, schedule = build()
    noise = np.random.default_rng(trial.seed)
    history: list[float] = []
    trial.track(model=model, optimizer=optimizer, schedule=schedule, noise=noise, history=history)
    for _ in trial.steps():
        history.append(train_step(model, optimizer))
        schedule.step()
        yield {"loss": history[-1], "mean": sum(history) / len(history), "noise": noise.normal()}


class Stepper:
    def __init__(self, trial: Trial) -> None:
        self.model, self.optimizer, self.schedule = build()
        self.noise = np.random.default_rng(trial.seed)
        self.history: list[float] = []

    def step(self) -> dict[str, float]:
        self.history.append(train_step(self.model, self.optimizer))
        self.schedule.step()
        mean = sum(self.history) / len(self.history)
        return {"loss": self.history[-1], "mean": mean, "noise": self.noise.normal()}

    def state_dict(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "noise": self.noise.bit_generator.state,
            "history": self.history,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.noise.bit_generator.state = state["noise"]
        self.history = state["history"]
