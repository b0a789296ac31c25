"""Handwritten digits, trained by all processes of a worker together: on GPUs if they have some, and by one alone."""

from collections.abc import Iterator

import torch
from sklearn.datasets import load_digits
from torch import distributed, nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from caviar.trainers import Trial
from caviar.trainers.pytorch import join_processes

VALIDATION, BATCH = 297, 100


def train(trial: Trial) -> Iterator[dict[str, float]]:
    """A network with one hidden layer; a step is an epoch."""
    rank, size = join_processes()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images, labels = (torch.tensor(column).to(device) for column in load_digits(return_X_y=True))
    images = images.float() / 16

    hidden = trial.config["hidden"]
    model = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=trial.config["lr"], momentum=0.9)
    trial.track(model=model, optimizer=optimizer)  # the model itself, so that one process can read it
    parallel = DistributedDataParallel(model) if size > 1 else model

    for _ in trial.steps():
        # All processes draw the same order, and each takes its own part of every batch.
        for batch in (VALIDATION + torch.randperm(len(images) - VALIDATION)).split(BATCH):
            part = batch[rank::size].to(device)
            optimizer.zero_grad()
            cross_entropy(parallel(images[part]), labels[part]).backward()  # averages the gradients
            optimizer.step()
        yield {"val_loss": validate(model, images[:VALIDATION], labels[:VALIDATION], rank, size)}


@torch.no_grad()
def validate(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, rank: int, size: int) -> float:
    """The mean loss over the validation images, of which each process takes a part."""
    total = cross_entropy(model(images[rank::size]), labels[rank::size], reduction="sum")
    if size > 1:
        distributed.all_reduce(total)
    return total.item() / len(images)
