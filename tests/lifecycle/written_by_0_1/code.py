"""The training code of the sweep beside it: a walk down a slope."""

from collections.abc import Iterator

from caviar.trainers import Trial


def train(trial: Trial) -> Iterator[dict[str, float]]:
    """Walks from 4 towards the target; the loss is the distance to 1."""
    rate, target = float(str(trial.config["lr"])), float(str(trial.config.get("target", 1.0)))
    state = {"x": 4.0}
    trial.track(state=state)
    for _ in trial.steps():
        state["x"] -= rate * 2 * (state["x"] - target)
        yield {"loss": (state["x"] - 1.0) ** 2 + 0.1 * abs(rate - 0.2), "x": state["x"]}
