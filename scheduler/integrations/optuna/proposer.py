"""Any of Optuna's samplers as the proposer of a sweep.

A proposal is a function of its request: a study is made in memory from the results, and asked for points. What was
tried is one trial of the study, with its losses at its rungs as intermediate values: complete with the full resource,
pruned where it was left below. Samplers that learn from pruned trials, as TPE does, therefore learn from all rungs.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, Trial, TrialState

from ....search_spaces import SearchSpace
from ...core.proposers.observations import Observations
from ...core.proposers.proposal import Points, Proposal, Request
from ...core.trials.seeds import derived_seed
from .samplers import keeps_notes, sampler_maker
from .space import distributions, quiet_optuna, trial_at, unit_point

_ASKS = 4
"""The number of times that a sampler is asked for a point, on average, until one satisfies the constraints."""


class OptunaProposer:
    """Asks one of Optuna's samplers.

    Args:
        space: The search space.
        full: The full resource, in steps.
        seed: The sweep's seed.
        name: The sampler's path, such as "optuna.samplers.TPESampler".
        arguments: Its arguments.

    Raises:
        InvalidSpecError: There is no such sampler, a package that it needs is missing, or it does not take an argument.
    """

    def __init__(self, space: SearchSpace, full: int, seed: int, name: str, arguments: Mapping[str, Any]) -> None:
        self._space, self._full, self._seed = space, full, seed
        self._distributions = distributions(space)
        self._order = [known for known in space.parents_first if known in self._distributions]
        self._replays = keeps_notes(name)
        with quiet_optuna():
            self._make_sampler = sampler_maker(name, arguments)

    def propose(self, request: Request) -> Proposal:
        """As many points as are asked for; fewer where the sampler finds too few that satisfy the constraints."""
        with quiet_optuna():
            sampler = self._make_sampler(derived_seed(self._seed, request.number))
            study = optuna.create_study(sampler=sampler)
            for trial in [*self._finished(request.observations), *map(self._running, request.pending)]:
                if self._replays:
                    _replay(study, trial)
                else:
                    study.add_trial(trial)
            points = list(self._ask(study, request.n))
        return Proposal(request.number, np.array(points).reshape(-1, self._space.dimensions))

    def _ask(self, study: optuna.Study, n: int) -> Iterator[Points]:
        """At most n points. What breaks a constraint stays with the study as running, so that it looks elsewhere."""
        found = 0
        for _ in range(_ASKS * n):
            point = self._space.snap(self._suggested(study.ask())[None])
            if self._space.feasible(point)[0]:
                found += 1
                yield point.ravel()
            if found == n:
                return

    def _suggested(self, trial: Trial) -> Points:
        """A value for each name that is active, parents before children; float64 [d]."""
        params: dict[str, Any] = {}
        for name in self._order:
            point = np.nan_to_num(unit_point(self._space, params))
            if not self._space.domains[name].when or self._space.active(point[None])[name][0]:
                params[name] = _suggest(trial, name, self._distributions[name])
        return unit_point(self._space, params)

    def _finished(self, observations: Observations) -> Iterator[FrozenTrial]:
        losses = _finite_losses(observations)
        for rows in _rows_of_trials(observations):
            values = dict(zip(observations.resource[rows].tolist(), losses[rows].tolist(), strict=True))
            last = max(values)
            state = TrialState.COMPLETE if last >= self._full else TrialState.PRUNED
            point = observations.points[rows[0]]
            yield trial_at(self._space, point, state=state, value=values[last], intermediate_values=values)

    def _running(self, point: Points) -> FrozenTrial:
        return trial_at(self._space, point, state=TrialState.RUNNING)


def _rows_of_trials(observations: Observations) -> list[list[int]]:
    """The rows of each trial, by the resource: those of one point, which is tried again where a resource returns."""
    rows: dict[tuple[bytes, int], list[int]] = {}
    times: Counter[tuple[bytes, int]] = Counter()
    for row in np.argsort(observations.resource, kind="stable").tolist():
        point, resource = observations.points[row].tobytes(), int(observations.resource[row])
        rows.setdefault((point, times[point, resource]), []).append(row)
        times[point, resource] += 1
    return sorted(rows.values())


def _finite_losses(observations: Observations) -> npt.NDArray[np.float64]:
    """The losses; where they are infinite, the worst at that resource, or of all where there is none."""
    losses: npt.NDArray[np.float64] = observations.loss.copy()
    for resource in np.unique(observations.resource):
        alike = observations.resource == resource
        found = observations.loss[alike]
        worst = _worst(found if np.isfinite(found).any() else observations.loss)
        losses[alike] = np.where(np.isfinite(found), found, worst)
    return losses


def _worst(losses: npt.NDArray[np.float64]) -> float:
    finite = losses[np.isfinite(losses)]
    return float(finite.max()) if len(finite) else 0.0


def _replay(study: optuna.Study, trial: FrozenTrial) -> None:
    """Has the study ask for what was tried, so that its sampler notes with it what it would have noted."""
    study.enqueue_trial(trial.params)
    asked = study.ask(trial.distributions)
    for step, value in trial.intermediate_values.items():
        asked.report(value, step)
    if trial.state is not TrialState.RUNNING:
        study.tell(asked, trial.value if trial.state is TrialState.COMPLETE else None, trial.state)


def _suggest(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(name, distribution.low, distribution.high)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high)
    return trial.suggest_categorical(name, distribution.choices)  # type: ignore[attr-defined]
