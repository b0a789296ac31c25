"""Training code of the sweeps that are killed. Each step leaves a line outside of the sweep: trial, step, process.

`trial.data` is the file for those lines: it stays when everything in the sweep's directory is done again.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from caviar.trainers import Trial

PACE_S = 0.03
"""Seconds that a step takes besides its arithmetic."""


def note(file: Path | None, trial: int, step: int) -> None:
    """Appends one line in one write, which no other process's line can cut in two."""
    assert file is not None
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, f"{trial} {step} {os.getpid()}\n".encode())
    os.close(descriptor)


def walk(trial: Trial) -> Iterator[dict[str, float]]:
    """A plain generator: a loss that falls at a rate of its own, with noise from the tracked generator's past."""
    import numpy as np  # noqa: PLC0415 a worker that has imported it once has it

    state, generator = {"loss": 4.0, "drift": 0.0}, np.random.default_rng(trial.seed)
    trial.track(state=state, generator=generator)
    for step in trial.steps():
        time.sleep(PACE_S)
        state["loss"] *= 1 - float(trial.config["rate"])
        state["drift"] += generator.normal() / 100
        note(trial.data, trial.number, step)
        yield {"loss": state["loss"] + state["drift"] ** 2 + float(trial.config["floor"])}


class Fit:
    """A class: a small torch model with momentum, whose noise depends on all of its state."""

    def __init__(self, trial: Trial) -> None:
        import torch  # noqa: PLC0415 only this trainer needs it

        torch.manual_seed(trial.seed)
        self._trial, self._torch, self._step = trial, torch, trial.step
        self._model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
        rate = float(trial.config["rate"]) / 10
        self._optimizer = torch.optim.SGD(self._model.parameters(), lr=rate, momentum=0.9)

    def step(self) -> dict[str, float]:
        """One update on fresh data."""
        time.sleep(PACE_S)
        inputs = self._torch.randn(16, 4)
        loss = ((self._model(inputs) - inputs.sum(1, keepdim=True)) ** 2).mean()
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self._step += 1
        note(self._trial.data, self._trial.number, self._step)
        return {"loss": float(loss) + float(self._trial.config["floor"])}

    def state_dict(self) -> dict[str, Any]:
        """The model, the optimizer and the step."""
        return {"model": self._model.state_dict(), "optimizer": self._optimizer.state_dict(), "step": self._step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The same, back again."""
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._step = int(state["step"])
