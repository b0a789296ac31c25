"""Training code for whole sweeps: a small torch model whose every number depends on seeds and restored state."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from caviar.trainers import Trial

PACE_S = float(os.environ.get("CAVIAR_TEST_PACE", "0"))
"""Seconds that a step takes besides its arithmetic, so that a test can catch a sweep half way."""


def regress(trial: Trial) -> Iterator[dict[str, float]]:
    """Fits a line with dropout, momentum and fresh data in every step."""
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(
        model.parameters(), lr=float(str(trial.config["lr"])), momentum=float(str(trial.config["momentum"]))
    )
    trial.track(model=model, optimizer=optimizer)
    for _ in trial.steps():
        time.sleep(PACE_S)
        inputs = torch.randn(16, 4)
        loss = ((model(inputs) - inputs.sum(1, keepdim=True)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {"val_loss": loss.item(), "norm": float(sum(p.norm().item() for p in model.parameters()))}


def regress_and_wait_to_be_killed(trial: Trial) -> Iterator[dict[str, float]]:
    """The same, but the first trial that comes to a second step says in which process it is and waits."""
    marker = Path(str(trial.config["marker"]))
    for report in regress(trial):
        if trial.current == 2 and _is_first(marker.with_suffix(".first")):
            marker.with_suffix(".new").write_text(str(os.getpid()))
            marker.with_suffix(".new").rename(marker)
            time.sleep(60)
        yield report


def _is_first(path: Path) -> bool:
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
