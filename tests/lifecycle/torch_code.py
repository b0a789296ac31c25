"""Training code for whole sweeps: a small torch model whose every number depends on seeds and restored state."""

from collections.abc import Iterator

import torch
from torch import nn

from caviar.trainers import Trial


def regress(trial: Trial) -> Iterator[dict[str, float]]:
    """Fits a line with dropout, momentum and fresh data in every step."""
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(
        model.parameters(), lr=float(str(trial.config["lr"])), momentum=float(str(trial.config["momentum"]))
    )
    trial.track(model=model, optimizer=optimizer)
    for _ in trial.steps():
        inputs = torch.randn(16, 4)
        loss = ((model(inputs) - inputs.sum(1, keepdim=True)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {"val_loss": loss.item(), "norm": float(sum(p.norm().item() for p in model.parameters()))}
