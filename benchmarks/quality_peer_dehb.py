"""DEHB for quality_peers.py: Awad et al., IJCAI 2021. It works in the unit cube."""

from math import exp, log
from typing import Any

from dehb import DEHB


class DehbPeer:
    """DEHB, whose configurations have a number that stays theirs at higher fidelities.

    Args:
        space: The domains.
        optimizer: The optimizer.
    """

    def __init__(self, space: list[dict[str, Any]], optimizer: DEHB) -> None:
        self._space, self._optimizer = space, optimizer
        self._running: list[tuple[int, int, dict[str, Any]]] = []
        """Trial, last step and DEHB's own notes of each job; with many workers a trial may have two."""

    def ask(self) -> dict[str, Any] | None:
        """The next job."""
        job = self._optimizer.ask()
        trial, stop = int(job["config_id"]), max(1, round(float(job["fidelity"])))
        self._running.append((trial, stop, job))
        config = {facts["name"]: _value(facts, u) for facts, u in zip(self._space, job["config"], strict=True)}
        return {"trial": trial, "config": config, "stop": stop}

    def tell(self, trial: int, step: int, loss: float, last: bool) -> bool:
        """Hands the loss at the fidelity on."""
        if last:
            # A diverged job ends before its last step.
            ended = min((one for one in self._running if one[0] == trial), key=lambda one: abs(one[1] - step))
            self._running.remove(ended)
            self._optimizer.tell(ended[2], {"fitness": loss, "cost": step})
        return True


def dehb(space: list[dict[str, Any]], steps: int, seed: int, workers: int, trainings: int, candidates: Any) -> DehbPeer:
    """DEHB as it is delivered; workers would start processes, which asking and telling does not need."""
    assert candidates is None
    optimizer = DEHB(
        dimensions=len(space),
        min_fidelity=1,
        max_fidelity=steps,
        eta=3,
        seed=seed,
        n_workers=1,
        save_freq="end",
        output_path="dehb",
        log_level="ERROR",
    )
    return DehbPeer(space, optimizer)


def _value(facts: dict[str, Any], u: float) -> Any:
    """The value at a number in [0, 1]; all integers and options have the same share of their axis."""
    u = min(max(float(u), 0.0), 1.0)
    if facts["kind"] == "choice":
        return facts["options"][min(int(u * len(facts["options"])), len(facts["options"]) - 1)]
    low, high = facts["low"], facts["high"]
    if facts["kind"] == "float":
        return exp(log(low) + u * log(high / low)) if facts["log"] else low + u * (high - low)
    if facts["log"]:
        return min(max(round(exp(log(low - 0.5) + u * log((high + 0.5) / (low - 0.5)))), low), high)
    return min(low + int(u * (high - low + 1)), high)
