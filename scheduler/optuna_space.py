"""A search space as Optuna sees it: the unit cube, so that its samplers and evaluators work on our scales.

A hyperparameter on a continuous or logarithmic scale is a number from 0 to 1, any other its position among the values
of its domain.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from ..search_spaces import Choice, Domain, Integer, SearchSpace


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """The distribution of each hyperparameter that is not constant."""
    return {name: _distribution(domain) for name, domain in _varying(space).items()}


def parameters(space: SearchSpace, point: npt.NDArray[np.float64]) -> dict[str, Any]:
    """The parameters at a point of the unit cube, float64 [d]: those of its active hyperparameters."""
    active = space.active(point[None])
    return {
        name: _parameter(domain, point[column])
        for column, (name, domain) in enumerate(_varying(space).items())
        if active[name][0]
    }


def unit_point(space: SearchSpace, params: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    """The point of the unit cube that has these parameters, float64 [d]; NaN where one is absent."""
    varying = _varying(space)
    return np.array([_unit(domain, params[name]) if name in params else np.nan for name, domain in varying.items()])


def _varying(space: SearchSpace) -> dict[str, Domain]:
    return {name: domain for name, domain in space.domains.items() if not domain.is_constant}


def _has_positions(domain: Domain) -> bool:
    """Whether values have equal shares: on a log scale whole numbers do not, and their positions would lose it."""
    return domain.size is not None and not (isinstance(domain, Integer) and domain.log)


def _distribution(domain: Domain) -> BaseDistribution:
    if not _has_positions(domain):
        return FloatDistribution(0.0, 1.0)
    assert domain.size is not None, "only what is counted has positions"
    if isinstance(domain, Choice):
        return CategoricalDistribution(tuple(range(domain.size)))
    return IntDistribution(0, domain.size - 1)


def _parameter(domain: Domain, unit: float) -> float | int:
    return int(domain.position(np.array([unit]))[0]) if _has_positions(domain) else float(unit)


def _unit(domain: Domain, parameter: float) -> float:
    if not _has_positions(domain):
        return float(domain.snap(np.array([parameter]))[0])
    return (parameter + 0.5) / (domain.size or 1)
