"""The peers' side of quality.py, in an environment with their packages: answers JSON lines, one for each.

The first line says which peer, space, seed and number of steps; then each is `ask` for a job or `tell` of a loss.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import IO, Any, Protocol

PEERS = {
    "optuna_tpe": ("quality_peer_optuna", "tpe", ["optuna"]),
    "optuna_gp": ("quality_peer_optuna", "gp", ["optuna", "torch"]),
    "smac": ("quality_peer_smac", "smac", ["smac", "ConfigSpace"]),
    "dehb": ("quality_peer_dehb", "dehb", ["dehb", "numpy"]),
    "syne_tune_asha": ("quality_peer_syne_tune", "asha", ["syne-tune"]),
    "syne_tune_bohb": ("quality_peer_syne_tune", "bohb", ["syne-tune"]),
    "neps_priorband": ("quality_peer_neps", "priorband", ["neural-pipeline-search"]),
}
"""Of each peer: its module, the function that makes it, and the packages whose versions are noted."""


class Peer(Protocol):
    """What the modules of single peers implement."""

    def ask(self) -> dict[str, Any] | None:
        """The next job, with `trial`, `config` and `stop`; None if there is none before a running one ends."""

    def tell(self, trial: int, step: int, loss: float, last: bool) -> bool:
        """Takes the loss after a step; whether the job goes on."""


def serve(lines: IO[str], answers: IO[str]) -> None:
    """Answers until the input ends."""
    first = json.loads(lines.readline())
    module, function, packages = PEERS[first.pop("peer")]
    make: Callable[..., Peer] = getattr(importlib.import_module(module), function)
    peer = make(**first)
    _answer(answers, {"versions": {package: version(package) for package in packages}})
    for line in lines:
        message = json.loads(line)
        if message.pop("op") == "ask":
            _answer(answers, {"job": peer.ask()})
        else:
            _answer(answers, {"go": peer.tell(**message)})


def _answer(answers: IO[str], message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def _private_output() -> IO[str]:
    """What standard output was; from now on everything that libraries print goes to standard error."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return output


if __name__ == "__main__":
    serve(sys.stdin, _private_output())
