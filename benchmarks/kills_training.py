"""The training that kills.py has tuners run: twelve trials of eighteen steps, each of which leaves a line.

The lines are outside of everything that a tuner writes, so they tell what was really trained, and how often.
"""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

TRIALS, STEPS, WORKERS = 12, 18, 2
PACE_S = 0.08
"""Seconds that a step takes."""


@dataclass(slots=True)
class Descent:
    """A loss that falls by a rate, with noise that depends on its whole past.

    Attributes:
        x: The only hyperparameter, in [0, 1]; it names the trial.
        lines: The file for the lines.
        step: Steps trained.
        loss: The loss.
        noise: A generator whose state belongs to the training's.
    """

    x: float
    lines: Path
    step: int = 0
    loss: float = 4.0
    noise: Random = field(default_factory=lambda: Random(0))

    def advance(self) -> float:
        """Trains one step and returns the loss."""
        time.sleep(PACE_S)
        self.step += 1
        self.loss *= 1 - 0.3 * self.x - 0.01 * self.noise.random()
        descriptor = os.open(self.lines, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(descriptor, f"{self.x!r} {self.step} {time.time()} {os.getpid()}\n".encode())
        os.close(descriptor)
        return self.loss

    def state(self) -> dict[str, object]:
        """What a checkpoint has to hold, as JSON values."""
        version, numbers, gauss = self.noise.getstate()
        return {"step": self.step, "loss": self.loss, "noise": [version, list(numbers), gauss]}

    def restore(self, state: dict[str, object]) -> None:
        """The same, back again."""
        self.step, self.loss = int(str(state["step"])), float(str(state["loss"]))
        noise = state["noise"]
        assert isinstance(noise, list)
        self.noise.setstate((noise[0], tuple(noise[1]), noise[2]))
