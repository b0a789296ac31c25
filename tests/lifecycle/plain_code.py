"""Training code for sweeps in which only the ways of the sweep matter: it needs no torch."""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from caviar.trainers import Trial

PACE_S = float(os.environ.get("CAVIAR_TEST_PACE", "0"))
"""Seconds that a step takes besides its arithmetic, so that a test can catch a sweep half way."""


def descend(trial: Trial) -> Iterator[dict[str, float]]:
    """Halves its loss, the faster the larger the learning rate."""
    state = {"loss": 4.0}
    trial.track(state=state)
    for _ in trial.steps():
        state["loss"] *= 1 - float(str(trial.config["lr"]))
        yield {"val_loss": state["loss"]}


def wander(trial: Trial) -> Iterator[dict[str, float]]:
    """A walk that goes another way unless every seed and all restored state are those of an undisturbed run."""
    state = {"position": float(str(trial.config["lr"])), "speed": 0.0}
    generator = np.random.default_rng(trial.seed)
    trial.track(state=state, generator=generator)
    for _ in trial.steps():
        time.sleep(PACE_S)
        pull = generator.normal() + random.random() + float(np.random.random())
        state["speed"] = float(str(trial.config["momentum"])) * state["speed"] - pull
        state["position"] += 0.1 * state["speed"]
        yield {"val_loss": state["position"] ** 2, "speed": state["speed"]}


def wander_and_wait_to_be_killed(trial: Trial) -> Iterator[dict[str, float]]:
    """The same, but the first trial that comes to a second step says in which process it is and waits."""
    marker = Path(str(trial.config["marker"]))
    for report in wander(trial):
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


def descend_or_fail(trial: Trial) -> Iterator[dict[str, float]]:
    """The same, but odd trials raise in their first step, as often as they are started."""
    if trial.number % 2:
        raise RuntimeError(f"trial {trial.number} is odd")
    yield from descend(trial)


def clean_up(trial: Trial) -> Iterator[dict[str, float]]:
    """The same, and leaves a file when it is closed."""
    try:
        yield from descend(trial)
    finally:
        Path(str(trial.config["folder"]), f"{trial.number}.closed").touch()


def descend_in_two_metrics(trial: Trial) -> Iterator[dict[str, float]]:
    """The same, with an accuracy that is best where the learning rate is small."""
    for report in descend(trial):
        yield {**report, "accuracy": 1 - float(str(trial.config["lr"])) / (1 + report["val_loss"])}
