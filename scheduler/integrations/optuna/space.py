"""A search space as Optuna has it: numbers in [0, 1], and positions where values are few or have no order."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isnan, nan
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, create_trial

from ....search_spaces import Choice, Domain, Integer, SearchSpace
from ....search_spaces.shares import middle_of

_MOST_POSITIONS = 50
"""Values in an order that are told apart; where there are more, neighbours are as good as alike."""


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """The distribution of each hyperparameter that varies, in the order of the unit cube's columns."""
    return {name: _distribution(domain) for name, domain in space.varying.items()}


def parameters(space: SearchSpace, point: npt.NDArray[np.float64]) -> dict[str, Any]:
    """A point of the unit cube, float64 [d], as Optuna's parameters; inactive names are absent."""
    snapped = space.snap(point[None])[0].tolist()
    return {
        name: unit if _positions(domain) is None else int(domain.position(np.array([unit]))[0])
        for (name, domain), unit in zip(space.varying.items(), snapped, strict=True)
        if not isnan(unit)
    }


def trial_at(space: SearchSpace, point: npt.NDArray[np.float64], **results: Any) -> FrozenTrial:
    """A trial at a point of the unit cube, float64 [d], for a study.

    Args:
        space: The search space.
        point: The point.
        results: Its outcome, as `optuna.trial.create_trial` takes it; complete where no state is given.
    """
    params = parameters(space, point)
    of_params = {name: _distribution(space.domains[name]) for name in params}
    return create_trial(params=params, distributions=of_params, **results)


def unit_point(space: SearchSpace, params: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    """The point of the unit cube, float64 [d], that Optuna's parameters stand for; NaN where a name is absent."""
    units = [_unit(domain, params[name]) if name in params else nan for name, domain in space.varying.items()]
    return np.array(units, np.float64)


def _positions(domain: Domain) -> int | None:
    """The number of positions that stand for the values; None where numbers in [0, 1] do, which keep a scale."""
    if isinstance(domain, Choice):
        return domain.size
    if domain.size is None or domain.size > _MOST_POSITIONS or (isinstance(domain, Integer) and domain.log):
        return None
    return domain.size


def _distribution(domain: Domain) -> BaseDistribution:
    positions = _positions(domain)
    if positions is None:
        return FloatDistribution(0.0, 1.0)
    return (
        CategoricalDistribution(tuple(range(positions)))
        if isinstance(domain, Choice)
        else IntDistribution(0, positions - 1)
    )


def _unit(domain: Domain, parameter: float) -> float:
    positions = _positions(domain)
    return float(parameter) if positions is None else float(middle_of(np.int64(parameter), positions))


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Silences Optuna about studies and experimental arguments, of which the person sees neither."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)
