"""The tasks of quality.py: search spaces, and curves that are asked for one step after the other.

A task has losses, lower is better; a metric that is to be maximised is negated. A curve gives its trial's loss after a
step, infinite once the training has diverged.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson

from caviar.search_spaces import Domain, Integer, Log, SearchSpace, Uniform, Value

Config = Mapping[str, Value]
Curve = Callable[[int], float]
"""`curve(step)`: the loss after a step, from 1."""
Opener = Callable[[Config], Curve]
"""Begins a trial with a configuration."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What regret is measured between.

    Attributes:
        best: The least loss there is; its regret is 0.
        median: The median loss of full trainings of random configurations; its regret is 1.
    """

    best: float
    median: float

    def regret(self, loss: float) -> float:
        """Where a loss lies between the two, cut off at 0 and 1."""
        return min(1.0, max(0.0, (loss - self.best) / (self.median - self.best)))


class Task(Protocol):
    """One problem that every method is measured on."""

    @property
    def name(self) -> str:
        """The task's name inside its setting."""

    @property
    def space(self) -> SearchSpace:
        """Where configurations are searched."""

    @property
    def steps(self) -> int:
        """Steps of a full training."""

    @property
    def reference(self) -> Reference | None:
        """The best and the median; None where only all runs together tell."""

    @property
    def candidates(self) -> list[dict[str, Value]] | None:
        """The only configurations that methods may choose from; None for the whole space."""

    def opener(self, seed: int) -> Opener:
        """Begins the trials of one run, which has this seed."""


def read_meta(folder: Path) -> dict[str, Any]:
    """The facts about a family of tasks."""
    meta: dict[str, Any] = orjson.loads((folder / "meta.json").read_bytes())
    return meta


def space_of(meta: Mapping[str, Any]) -> SearchSpace:
    """The search space that a family's facts describe, without numbers of layers that no real run has."""
    return SearchSpace({name: _domain(name, facts) for name, facts in meta["hyperparameters"].items()})


def _domain(name: str, facts: Mapping[str, Any]) -> Domain:
    low, high = facts["low"], facts["high"]
    if facts["type"] == "int":
        return Integer(low, min(high, 4) if name == "num_layers" else high, log=facts["log"])
    return Log(low, high) if facts["log"] else Uniform(low, high)
