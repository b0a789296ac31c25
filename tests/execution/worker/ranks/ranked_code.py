# ruff: noqa: T201
"""Training code that several processes run together."""

import os
from collections.abc import Iterator
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from caviar.trainers import Trial
from caviar.trainers.pytorch import join_processes

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR")


def regress(trial: Trial) -> Iterator[dict[str, Any]]:
    """Each process takes its part of a batch that is drawn anew in every step; the loss is that of the whole batch."""
    rank, size = join_processes()
    print(*(f"{name}={os.environ.get(name)}" for name in VARIABLES))
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    trial.track(model=model, optimizer=optimizer)
    parallel = DistributedDataParallel(model) if size > 1 else model
    for _ in trial.steps():
        inputs = torch.randn(8, 3)
        part = inputs[rank::size]
        loss = (parallel(part) - part.sum(1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        shared = loss.detach() / size
        if size > 1:
            distributed.all_reduce(shared)
        yield {"loss": float(shared), "process": os.getpid()}
