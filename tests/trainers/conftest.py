from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from caviar.trainers import Training, load_trainer, open_training


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """As a worker with one CPU has it. The networks here are too small for more."""
    torch.set_num_threads(1)


@pytest.fixture
def start() -> Iterator[Callable[..., Training]]:
    """Opens trials of any trainer, with defaults for what a test does not care about, and closes them at the end."""
    opened = []

    def open_trial(trainer: Any, **facts: Any) -> Training:
        defaults = {"number": 0, "config": {}, "seed": 7, "resource_max": 6}
        opened.append(open_training(load_trainer(trainer), **{**defaults, **facts}))
        return opened[-1]

    yield open_trial
    for training in opened:
        training.close()


@pytest.fixture
def samples() -> Path:
    return Path(__file__).with_name("trainer_samples.py")
