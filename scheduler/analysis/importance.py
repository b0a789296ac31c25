"""The importance of each hyperparameter, by all results of a sweep."""

from typing import Literal, get_args

import numpy as np

from ...search_spaces import SearchSpace
from ...search_spaces.values import show
from ..core.proposers.exploration import ENOUGH_RESULTS
from ..core.proposers.observations import Observations
from ..errors import ResultsError
from ..lifecycle.recorded import RecordedSweep
from ..storage import Location, SweepDirectory, locate

Method = Literal["model", "fanova", "ped_anova"]


def importance(path: str | Location, method: Method = "model") -> dict[str, float]:
    """The part of the metric's variation that each hyperparameter accounts for, largest first.

    They sum to 1, or are all 0 where nothing seems to matter. The metric is taken by its ranks, diverged trials last.

    Args:
        path: The sweep's directory.
        method: "model" fits Caviar's model to the results at all rungs and gives total effects at the full resource.
            "fanova" and "ped_anova" are Optuna's evaluators, applied to the results at the rung that has most of them;
            fANOVA leaves conditional hyperparameters out.

    Raises:
        SweepError: There is no sweep.
        JournalError: The journal cannot be trusted.
        ResultsError: There is no such method, nothing varies, there are too few results, or Optuna is not installed.
    """
    if method not in get_args(Method):
        raise ResultsError(f"There is no method {show(method)}: it must be {', '.join(get_args(Method))}.")
    recorded = RecordedSweep(SweepDirectory(locate(path)))
    spec = recorded.spec
    space = spec.search_space
    if not space.dimensions:
        raise ResultsError(f"{path}: all hyperparameters are constants, so none can matter.")
    observations = recorded.state.observations()
    if observations.finite < ENOUGH_RESULTS:
        raise ResultsError(
            f"{path}: what matters shows from {ENOUGH_RESULTS} results on,"
            f" and trials have come to {observations.finite} yet."
        )
    if method == "model":
        shares = _sensitivity(space, observations, spec.resource.max)
    else:
        shares = _by_optuna(space, _at_one_rung(observations), method)
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _sensitivity(space: SearchSpace, observations: Observations, full: int) -> dict[str, float]:
    # The libraries of a model take a second to import, and nothing else should wait for them.
    from ..core.proposers.sensitivity import sensitivity  # noqa: PLC0415
    from ..core.proposers.surrogate import Surrogate  # noqa: PLC0415

    surrogate = Surrogate(space, observations, full, np.random.default_rng(0))
    return sensitivity(space, lambda points: surrogate.posterior(points).mean)


def _by_optuna(space: SearchSpace, observations: Observations, method: Method) -> dict[str, float]:
    try:
        from ..integrations.optuna.importance import evaluate  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ResultsError(f"{method} needs optuna, which is not installed: pip install 'caviar[optuna]'.") from error
    return evaluate(space, observations, method)


def _at_one_rung(observations: Observations) -> Observations:
    """The results at the rung with most finite ones: those above have only the best trials, too alike to tell apart."""
    levels, counts = np.unique(observations.resource[np.isfinite(observations.loss)], return_counts=True)
    return observations.take(np.flatnonzero(observations.resource == levels[np.argmax(counts)]))
