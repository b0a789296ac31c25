"""The importance of each hyperparameter, by the evaluators of Optuna."""

from collections.abc import Callable, Mapping

import optuna
from optuna.importance import (
    BaseImportanceEvaluator,
    FanovaImportanceEvaluator,
    PedAnovaImportanceEvaluator,
    get_param_importances,
)

from ....search_spaces import SearchSpace
from ...core.proposers.observations import Observations
from ...core.proposers.surrogate import normal_scores
from .space import quiet_optuna, trial_at

_EVALUATORS: Mapping[str, Callable[[], BaseImportanceEvaluator]] = {
    "fanova": lambda: FanovaImportanceEvaluator(seed=0),
    "ped_anova": PedAnovaImportanceEvaluator,
}


def evaluate(space: SearchSpace, observations: Observations, method: str) -> dict[str, float]:
    """The importance of each hyperparameter that the method assesses, as shares of 1; all 0 where results are equal.

    Args:
        space: The search space.
        observations: Results at one resource level; they are taken by their ranks.
        method: "fanova" (Hutter et al., ICML 2014) or "ped_anova" (Watanabe et al., IJCAI 2023).
    """
    targets = normal_scores(observations.loss)
    if targets.min() == targets.max():
        return dict.fromkeys(space.varying, 0.0)
    with quiet_optuna():
        study = optuna.create_study(direction="minimize")
        for point, score in zip(observations.points, targets, strict=True):
            study.add_trial(trial_at(space, point, value=float(score)))
        shares = get_param_importances(study, evaluator=_EVALUATORS[method]())
    return {name: float(share) for name, share in shares.items()}
