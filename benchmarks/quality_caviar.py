"""Caviar's own controllers in quality.py: by simulation, and step by step for what a simulation cannot do."""

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt
from quality_meter import Cluster, Job, Meter, Trajectory
from quality_tasks import Curve, Task

from caviar.scheduler import Sweep
from caviar.scheduler.core.controllers.controller import Controller
from caviar.scheduler.core.controllers.halving import HalvingController
from caviar.scheduler.core.controllers.registry import PIPELINE, SearchConfig, bracket_schedule, make_controller
from caviar.scheduler.core.controllers.samplers import DesignSampler, ProposalSampler
from caviar.scheduler.core.proposers.model import ModelProposer
from caviar.scheduler.core.proposers.proposal import Proposal, Proposer, Request
from caviar.scheduler.lifecycle.proposers import make_proposer
from caviar.search_spaces import Value

Points = npt.NDArray[np.float64]

_SPARE = 5
"""Full trainings that a sweep's budget has more than is measured, so that its last bracket is not cut."""


def simulated_trajectory(task: Task, controller: str, seed: int, cluster: Cluster) -> Trajectory:
    """Runs a sweep in virtual time, as a user would: `Sweep.simulate`."""
    opener, curves = task.opener(seed), dict[int, Curve]()

    def curve(config: Mapping[str, Value], trial_seed: int) -> list[float]:
        if trial_seed not in curves:
            curves[trial_seed] = opener(config)
        return [curves[trial_seed](step) for step in range(1, task.steps + 1)]

    sweep = make_sweep(task, controller, seed, cluster)
    results = sweep.simulate(curve, cluster.workers, lambda config, _: cluster.cost(config))
    meter, end = Meter(), cluster.time(cluster.limit)
    rows = results.sql("select epoch_us(time) / 1e6 as seconds, loss from reports order by 1").to_pylist()
    for row in rows:
        if row["seconds"] <= end + 1e-6 and row["loss"] is not None:
            meter.record(row["seconds"], row["loss"])
    return meter.trajectory


def make_sweep(task: Task, controller: str, seed: int, cluster: Cluster) -> Sweep:
    """The sweep of a task, with more budget than is measured."""
    return Sweep(
        _no_training,
        space=task.space,
        metric="loss",
        resource={"min": 1, "max": task.steps, "eta": 3},
        budget={"resource": int(cluster.limit * (1 if cluster.workers == 1 else 1.5)) + _SPARE * task.steps},
        controller=controller,
        seed=seed,
        fuse="off",
        name="quality",
    )


def _no_training(trial: Any) -> Iterator[dict[str, float]]:
    """Stands for the training code of sweeps that are simulated."""
    yield {"loss": 0.0}


class ControllerMethod:
    """A controller that is asked for one job at a time, for training that is made step by step.

    Args:
        controller: A new controller; it groups no trials.
        proposer: Makes the proposals that it wants; None for one that wants none.
    """

    def __init__(self, controller: Controller, proposer: Proposer | None) -> None:
        self._controller, self._proposer = controller, proposer
        self._rungs: dict[int, int] = {}
        self._best: dict[int, float] = {}

    def ask(self) -> Job | None:
        """The next job."""
        while self._proposer is not None and self._controller.wanted is not None:
            self._controller.accept(self._proposer.propose(self._controller.request()))
        for start in self._controller.decide(1):
            self._rungs[start.trial] = start.rung
            return Job(start.trial, start.config, start.level)
        return None

    def tell(self, trial: int, step: int, loss: float, *, last: bool) -> bool:
        """Hands the best loss up to a rung on."""
        self._best[trial] = min(loss, self._best.get(trial, loss)) if isfinite(loss) else loss
        if last:
            self._controller.handle(trial, self._rungs[trial], self._best[trial])
        return True


def controller_method(task: Task, controller: str, seed: int, cluster: Cluster) -> ControllerMethod:
    """A controller on a task; where the task has candidates, it chooses among them."""
    spec = make_sweep(task, controller, seed, cluster).spec
    if task.candidates is not None:
        return candidate_method(spec.search, task.space.encode(task.candidates))
    return ControllerMethod(make_controller(spec.search), make_proposer(spec))


def candidate_method(search: SearchConfig, candidates: Points) -> ControllerMethod:
    """A controller where only some configurations can be evaluated, each once.

    Args:
        search: What the controller is made for.
        candidates: float64 [n, d] points in the unit cube.
    """
    rows, exploration = UnusedRows(candidates, search.seed), search.exploration
    pipeline = search.pipeline or PIPELINE
    sampler = DesignSampler(rows) if exploration is None else ProposalSampler(search.space, rows, exploration, pipeline)
    controller = HalvingController(search.space, bracket_schedule(search), sampler)
    return ControllerMethod(controller, RowProposer(search, rows))


class UnusedRows:
    """Candidates that were not used yet: a design that draws them at random, and what a model chooses among.

    Args:
        candidates: float64 [n, d] points in the unit cube.
        seed: Of their order.
    """

    def __init__(self, candidates: Points, seed: int) -> None:
        self._points = np.random.default_rng(seed).permutation(candidates)

    def __call__(self, best: Points, random: np.random.Generator) -> Points:
        """All that are left."""
        return self._points

    def draw(self, n: int) -> Points:
        """The next n."""
        assert len(self._points) >= n, "the budget of quality.py leaves rows unused"
        drawn, self._points = self._points[:n], self._points[n:]
        return drawn

    def remove(self, points: Points) -> None:
        """Takes points out."""
        taken = {tuple(point) for point in points.tolist()}
        self._points = self._points[[tuple(point) not in taken for point in self._points.tolist()]]


class RowProposer:
    """A model that chooses among unused rows.

    Args:
        search: What the controller is made for.
        rows: The rows.
    """

    def __init__(self, search: SearchConfig, rows: UnusedRows) -> None:
        self._model = ModelProposer(search.space, search.resource.max, search.seed, rows)
        self._rows = rows

    def propose(self, request: Request) -> Proposal:
        """The proposal that a request asks for; its rows are used from now on."""
        proposal = self._model.propose(request)
        self._rows.remove(proposal.points)
        return proposal
