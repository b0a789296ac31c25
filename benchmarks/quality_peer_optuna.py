"""Optuna for quality_peers.py: Akiba et al., KDD 2019. A pruned trial never goes on."""

from typing import Any

import optuna


class OptunaPeer:
    """A study that is asked, told each step, and prunes.

    Args:
        space: The domains.
        steps: Steps of a full training.
        study: The study.
    """

    def __init__(self, space: list[dict[str, Any]], steps: int, study: optuna.Study) -> None:
        self._space, self._steps, self._study = space, steps, study
        self._trials: dict[int, optuna.Trial] = {}

    def ask(self) -> dict[str, Any]:
        """A new trial, up to the end."""
        trial = self._study.ask()
        self._trials[trial.number] = trial
        config = {facts["name"]: _suggest(trial, facts) for facts in self._space}
        return {"trial": trial.number, "config": config, "stop": self._steps}

    def tell(self, trial: int, step: int, loss: float, last: bool) -> bool:
        """Reports the step; whether the trial is not pruned."""
        running = self._trials[trial]
        running.report(loss, step)
        if last:
            self._study.tell(running, loss)
        elif running.should_prune():
            self._study.tell(running, state=optuna.trial.TrialState.PRUNED)
            return False
        return True


def tpe(
    space: list[dict[str, Any]], steps: int, seed: int, workers: int, trainings: int, candidates: Any
) -> OptunaPeer:
    """TPE with Hyperband's pruner."""
    assert candidates is None
    sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=workers > 1)
    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=steps, reduction_factor=3)
    return OptunaPeer(space, steps, _study(sampler, pruner, seed))


def gp(space: list[dict[str, Any]], steps: int, seed: int, workers: int, trainings: int, candidates: Any) -> OptunaPeer:
    """A Gaussian process with the pruner of successive halving."""
    assert candidates is None
    sampler = optuna.samplers.GPSampler(seed=seed)
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    return OptunaPeer(space, steps, _study(sampler, pruner, seed))


def _study(sampler: Any, pruner: Any, seed: int) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # The pruner puts trials into brackets by the study's name, which would otherwise differ from run to run.
    return optuna.create_study(sampler=sampler, pruner=pruner, study_name=f"quality-{seed}")


def _suggest(trial: optuna.Trial, facts: dict[str, Any]) -> Any:
    if facts["kind"] == "choice":
        return trial.suggest_categorical(facts["name"], facts["options"])
    suggest = trial.suggest_int if facts["kind"] == "int" else trial.suggest_float
    return suggest(facts["name"], facts["low"], facts["high"], log=facts["log"])
