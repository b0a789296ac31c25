"""SMAC for quality_peers.py: Lindauer et al., JMLR 23 (2022), the facade for several fidelities."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ConfigSpace import Categorical, Configuration, ConfigurationSpace, Float, Integer
from smac import MultiFidelityFacade, Scenario
from smac.acquisition.maximizer import AbstractAcquisitionMaximizer
from smac.runhistory.dataclasses import TrialInfo, TrialValue

_EVALUATIONS = 4
"""Evaluations at any budget that the resource of a full training buys, as Hyperband spends it."""


class SmacPeer:
    """A facade that is asked and told; configurations have numbers in the order in which they first appear.

    Args:
        facade: The facade.
    """

    def __init__(self, facade: MultiFidelityFacade) -> None:
        self._facade = facade
        self._numbers: dict[Any, int] = {}
        self._running: dict[int, TrialInfo] = {}

    def ask(self) -> dict[str, Any] | None:
        """The next job."""
        info = self._facade.ask()
        trial = self._numbers.setdefault(info.config, len(self._numbers))
        self._running[trial] = info
        config = {name: _plain(value) for name, value in dict(info.config).items()}
        return {"trial": trial, "config": config, "stop": max(1, round(info.budget))}

    def tell(self, trial: int, step: int, loss: float, last: bool) -> bool:
        """Hands the loss at the budget on."""
        if last:
            self._facade.tell(self._running.pop(trial), TrialValue(cost=loss, time=step), save=False)
        return True


class BestRow(AbstractAcquisitionMaximizer):
    """Scores all candidates that were not tried yet.

    Args:
        space: The configuration space.
        rows: The candidates.
        seed: Not used: nothing is drawn.
    """

    def __init__(self, space: ConfigurationSpace, rows: Sequence[Configuration], seed: int) -> None:
        super().__init__(space, challengers=len(rows), seed=seed)
        self._rows = rows

    def _maximize(self, previous_configs: list[Configuration], n_points: int) -> list[tuple[float, Configuration]]:
        tried = set(previous_configs)
        best: list[tuple[float, Configuration]]
        best = self._sort_by_acquisition_value([row for row in self._rows if row not in tried])
        return best


def smac(space: list[dict[str, Any]], steps: int, seed: int, workers: int, trainings: int, candidates: Any) -> SmacPeer:
    """The facade as it is delivered; with candidates, its first design and its maximizer draw from them."""
    domains = ConfigurationSpace(space=[_domain(facts) for facts in space], seed=seed)
    scenario = Scenario(
        domains,
        deterministic=True,
        n_trials=_EVALUATIONS * trainings,
        min_budget=1,
        max_budget=steps,
        seed=seed,
        output_directory="smac",
    )
    parts = {} if candidates is None else _parts(scenario, [Configuration(domains, row) for row in candidates])
    return SmacPeer(MultiFidelityFacade(scenario, _not_called, logging_level=False, overwrite=True, **parts))


def _parts(scenario: Scenario, rows: list[Configuration]) -> dict[str, Any]:
    """The first design and the maximizer for candidates; the design is as large as that of the whole space."""
    count = min(10 * len(scenario.configspace), scenario.n_trials // 4)
    order = np.random.default_rng(scenario.seed).permutation(len(rows))
    first = [rows[row] for row in order[:count]]
    design = MultiFidelityFacade.get_initial_design(scenario, n_configs=0, additional_configs=first)
    return {"initial_design": design, "acquisition_maximizer": BestRow(scenario.configspace, rows, scenario.seed)}


def _not_called(config: Configuration, seed: int = 0, budget: float = 0) -> float:
    raise NotImplementedError


def _domain(facts: dict[str, Any]) -> Any:
    if facts["kind"] == "choice":
        return Categorical(facts["name"], facts["options"])
    kind = Integer if facts["kind"] == "int" else Float
    return kind(facts["name"], (facts["low"], facts["high"]), log=facts["log"])


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
