"""Training code for sweeps in which only the ways of the sweep matter: it needs no torch."""

from collections.abc import Iterator
from pathlib import Path

from caviar.trainers import Trial


def descend(trial: Trial) -> Iterator[dict[str, float]]:
    """Halves its loss, the faster the larger the learning rate."""
    state = {"loss": 4.0}
    trial.track(state=state)
    for _ in trial.steps():
        state["loss"] *= 1 - float(str(trial.config["lr"]))
        yield {"val_loss": state["loss"]}


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
