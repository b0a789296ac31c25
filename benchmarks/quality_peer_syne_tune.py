"""Syne Tune for quality_peers.py: Salinas et al., AutoML 2022. A stopped trial never goes on."""

import random
from datetime import datetime, timezone
from typing import Any

import numpy as np
from syne_tune import config_space
from syne_tune.backend.trial_status import Trial
from syne_tune.optimizer.baselines import ASHA, BOHB
from syne_tune.optimizer.scheduler import SchedulerDecision


class SyneTunePeer:
    """A scheduler that is told each step and stops trials.

    Args:
        scheduler: The scheduler.
        steps: Steps of a full training.
    """

    def __init__(self, scheduler: Any, steps: int) -> None:
        self._scheduler, self._steps = scheduler, steps
        self._trials: list[Trial] = []

    def ask(self) -> dict[str, Any] | None:
        """A new trial, up to the end."""
        suggestion = self._scheduler.suggest()
        if suggestion is None:
            return None
        trial = Trial(len(self._trials), suggestion.config, datetime.now(timezone.utc))
        self._trials.append(trial)
        self._scheduler.on_trial_add(trial)
        return {"trial": trial.trial_id, "config": suggestion.config, "stop": self._steps}

    def tell(self, trial: int, step: int, loss: float, last: bool) -> bool:
        """Reports the step; whether the trial is not stopped."""
        result = {"loss": loss, "step": step}
        decision = self._scheduler.on_trial_result(self._trials[trial], result)
        if last or decision != SchedulerDecision.CONTINUE:
            self._scheduler.on_trial_remove(self._trials[trial])
            return False
        return True


def asha(
    space: list[dict[str, Any]], steps: int, seed: int, workers: int, trainings: int, candidates: Any
) -> SyneTunePeer:
    """ASHA over random configurations; over candidates in a random order, where there are any."""
    order = None if candidates is None else np.random.default_rng(seed).permutation(len(candidates))
    points = None if order is None else [candidates[row] for row in order]
    return SyneTunePeer(ASHA(points_to_evaluate=points, **_settings(space, steps, seed)), steps)


def bohb(
    space: list[dict[str, Any]], steps: int, seed: int, workers: int, trainings: int, candidates: Any
) -> SyneTunePeer:
    """ASHA over a kernel density model of the highest rung with enough results."""
    assert candidates is None
    return SyneTunePeer(BOHB(**_settings(space, steps, seed)), steps)


def _settings(space: list[dict[str, Any]], steps: int, seed: int) -> dict[str, Any]:
    random.seed(seed)
    np.random.seed(seed)
    domains = {facts["name"]: _domain(facts) for facts in space}
    return {"config_space": domains, "metric": "loss", "time_attr": "step", "max_t": steps, "random_seed": seed}


def _domain(facts: dict[str, Any]) -> Any:
    if facts["kind"] == "choice":
        return config_space.choice(facts["options"])
    prefix, kind = "log" if facts["log"] else "", "uniform" if facts["kind"] == "float" else "randint"
    return getattr(config_space, prefix + kind)(facts["low"], facts["high"])
