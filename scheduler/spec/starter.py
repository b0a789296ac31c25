"""A project to start from: a spec with comments, and a training file that trains a small network on real data."""

from pathlib import Path

from ..errors import SweepError

_SPEC = """\
# A sweep over a small network that tells benign from malignant tumours. Try it as it is:
#     caviar plan sweep.yaml
#     caviar run sweep.yaml

name: breast-cancer            # the sweep's directory is <storage>/<name>, here sweeps/breast-cancer
trainer: train.py:train        # a generator function: file.py:name or module:name
metric: val_loss               # one of the metrics that train yields
mode: min                      # or max

# Every hyperparameter on its own scale. Other forms: {ordinal: [...]}, {constant: value}, {uniform: [0, 1], step: 0.1},
# and `when: {optimizer: [sgd]}` beside any of them for a hyperparameter that exists only there.
space:
  optimizer: {choice: [sgd, adam]}
  lr: {log: [1.0e-4, 1.0]}
  momentum: {inverse_log: [0.5, 0.99], when: {optimizer: [sgd]}}
  hidden: {integer: [4, 64], log: true}
  dropout: {uniform: [0.0, 0.5]}
  weight_decay: {log: [1.0e-6, 1.0e-1]}

# Trials are compared after 1, 3, 9 and 27 epochs, and a third of them goes on each time.
resource: {unit: epoch, min: 1, max: 27, eta: 3}

# The sweep ends at the first limit that it meets: trials, resource (epochs over all trials) or hours.
budget: {trials: 60}

# What each worker may use. There are as many workers as fit; `count: 2` would make it two.
workers: {cpu: 1, gpu: 0}

# From which every random choice follows: the same seed gives the same sweep.
seed: 0
"""

_TRAINING = '''\
"""Trains a small network to tell benign from malignant tumours (569 real cases, scikit-learn's breast cancer data)."""

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch import nn


def load_data():
    """The training and the validation part as tensors, standardised by the training part."""
    inputs, labels = load_breast_cancer(return_X_y=True)
    parts = train_test_split(inputs, labels, test_size=0.3, random_state=0, stratify=labels)
    train_x, val_x, train_y, val_y = (torch.tensor(part, dtype=torch.float32) for part in parts)
    mean, std = train_x.mean(0), train_x.std(0)
    return (train_x - mean) / std, train_y, (val_x - mean) / std, val_y


def build(config):
    """The network and its optimizer."""
    model = nn.Sequential(
        nn.Linear(30, config["hidden"]), nn.ReLU(), nn.Dropout(config["dropout"]), nn.Linear(config["hidden"], 1)
    )
    settings = {"lr": config["lr"], "weight_decay": config["weight_decay"]}
    if config["optimizer"] == "sgd":
        return model, torch.optim.SGD(model.parameters(), momentum=config["momentum"], **settings)
    return model, torch.optim.Adam(model.parameters(), **settings)


def train(trial):
    """Trains one configuration; Caviar calls it and takes one report an epoch."""
    train_x, train_y, val_x, val_y = load_data()
    model, optimizer = build(trial.config)
    trial.track(model=model, optimizer=optimizer)  # saved when the trial pauses, restored when it goes on
    loss_of = nn.BCEWithLogitsLoss()

    for _ in trial.steps():  # the epochs that are left
        model.train()
        for batch in torch.randperm(len(train_x)).split(32):
            optimizer.zero_grad()
            loss_of(model(train_x[batch]).squeeze(1), train_y[batch]).backward()
            optimizer.step()

        model.eval()
        with torch.no_grad():
            logits = model(val_x).squeeze(1)
            loss, accuracy = loss_of(logits, val_y), ((logits > 0) == (val_y > 0.5)).float().mean()
        # Outside of no_grad: other trials train in this process while this one waits here.
        yield {"val_loss": loss, "val_acc": accuracy}
'''


def write_starter(directory: str | Path = ".") -> tuple[Path, Path]:
    """Writes `sweep.yaml` and `train.py` into a directory, which is made if it does not exist.

    Returns:
        The paths of the two files.

    Raises:
        SweepError: One of the files exists already; nothing is written then.
    """
    directory = Path(directory)
    spec, training = directory / "sweep.yaml", directory / "train.py"
    for path in (spec, training):
        if path.exists():
            raise SweepError(f"{path} exists already and is not overwritten: move it away, or name another directory.")
    if directory.exists() and not directory.is_dir():
        raise SweepError(f"{directory} is not a directory: name another one.")
    directory.mkdir(parents=True, exist_ok=True)
    for path, text in ((spec, _SPEC), (training, _TRAINING)):
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    return spec, training
