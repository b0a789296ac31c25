"""NePS for quality_peers.py: PriorBand (Mallik et al., NeurIPS 2023), with no prior, over Hyperband."""

import logging
import random
from typing import Any

import neps
import numpy as np
import torch

_FIDELITY = "steps"


class NepsPeer:
    """An optimizer whose trials have names such as `12_rung_1`: configuration 12 at the second rung.

    Args:
        optimizer: The optimizer.
    """

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = neps.AskAndTell(optimizer=optimizer)
        self._names: dict[int, str] = {}

    def ask(self) -> dict[str, Any] | None:
        """The next job."""
        asked = self._optimizer.ask()
        name, config = str(asked.metadata.id), dict(asked.config)
        trial, stop = int(name.split("_", maxsplit=1)[0]), int(config.pop(_FIDELITY))
        self._names[trial] = name
        return {"trial": trial, "config": {key: _plain(value) for key, value in config.items()}, "stop": stop}

    def tell(self, trial: int, step: int, loss: float, last: bool) -> bool:
        """Hands the loss at the fidelity on."""
        if last:
            self._optimizer.tell(self._names[trial], loss)
        return True


def priorband(
    space: list[dict[str, Any]], steps: int, seed: int, workers: int, trainings: int, candidates: Any
) -> NepsPeer:
    """PriorBand as it is delivered: the incumbents' neighbourhood and uniform sampling, no Gaussian process."""
    assert candidates is None
    logging.disable(logging.WARNING)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    domains = {facts["name"]: _domain(facts) for facts in space}
    fidelity = {_FIDELITY: neps.IntegerFidelity(lower=1, upper=steps)}
    return NepsPeer(neps.algorithms.priorband(type("Space", (neps.PipelineSpace,), {**domains, **fidelity})(), eta=3))


def _domain(facts: dict[str, Any]) -> Any:
    if facts["kind"] == "choice":
        return neps.Categorical(choices=facts["options"])
    kind = neps.Integer if facts["kind"] == "int" else neps.Float
    return kind(lower=facts["low"], upper=facts["high"], log=facts["log"])


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
