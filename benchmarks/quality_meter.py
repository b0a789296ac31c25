"""One meter for every method: a virtual clock that counts what training costs, and the best loss seen on the way.

A method is asked for jobs and told the loss after every step. A job goes on with a trial that was trained before from
where it paused: only new steps cost. One worker has a clock that counts steps. Many workers have steps that take
unevenly long: a function of the configuration, the same for every method.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import exp, inf, isfinite
from statistics import NormalDist
from typing import Protocol

import orjson
from quality_tasks import Config, Curve, Opener

Trajectory = list[tuple[float, float]]
"""(time, best loss so far), one entry an improvement."""

_SPREAD = 0.4286
"""Standard deviation of the logarithm of a step's cost: the slowest tenth of trials takes three times the fastest."""
_MOST_JOBS = 50_000
"""Ends a run whose method asks for steps that were trained already, which cost nothing, again and again."""


@dataclass(frozen=True, slots=True)
class Job:
    """Work for one worker.

    Attributes:
        trial: The trial's number, of the method's choosing.
        config: Its configuration.
        stop: The step up to which it is trained.
    """

    trial: int
    config: Config
    stop: int


class AskTell(Protocol):
    """A method, from the side of the meter."""

    def ask(self) -> Job | None:
        """The next job; None while there is nothing to do before a running job ends."""

    def tell(self, trial: int, step: int, loss: float, *, last: bool) -> bool:
        """Takes the loss after a step.

        Args:
            trial: The trial's number.
            step: The step.
            loss: Infinite if the training has diverged.
            last: Whether the job ends with this step.

        Returns:
            Whether the job goes on, if it does not end anyway.
        """


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where a run happens.

    Attributes:
        workers: Number of workers, at least 1.
        limit: When the run ends, in steps of mean cost.
    """

    workers: int
    limit: float

    def cost(self, config: Config) -> float:
        """What one step of a trial takes; 1 on the mean."""
        return 1.0 if self.workers == 1 else uneven_cost(config)

    def time(self, steps: float) -> float:
        """When that many steps of mean cost are done."""
        return steps / self.workers


def uneven_cost(config: Config) -> float:
    """A log-normal number with mean 1 that belongs to a configuration."""
    text = orjson.dumps(dict(config), option=orjson.OPT_SORT_KEYS)
    share = int.from_bytes(hashlib.blake2b(text, digest_size=6).digest(), "big") / 2**48
    return exp(_SPREAD * NormalDist().inv_cdf(min(max(share, 1e-9), 1 - 1e-9)) - _SPREAD**2 / 2)


class Meter:
    """The best loss so far by time."""

    def __init__(self) -> None:
        self.trajectory: Trajectory = []

    def record(self, time: float, loss: float) -> None:
        """Takes a loss; times do not decrease."""
        if loss < (self.trajectory[-1][1] if self.trajectory else inf):
            self.trajectory.append((time, loss))


def best_at(trajectory: Sequence[tuple[float, float]], time: float) -> float:
    """The best loss seen up to a time; infinite before the first."""
    return min((loss for when, loss in trajectory if when <= time + 1e-6), default=inf)


@dataclass(slots=True)
class _Running:
    job: Job
    curve: Curve
    step: int
    cost: float


class Run:
    """One run of a method.

    Args:
        method: The method.
        opener: Begins trials.
        cluster: Where it runs.
    """

    def __init__(self, method: AskTell, opener: Opener, cluster: Cluster) -> None:
        self._method, self._opener, self._cluster = method, opener, cluster
        self._curves: dict[int, Curve] = {}
        self._trained: dict[int, int] = {}
        self._calendar: list[tuple[float, int, _Running]] = []
        self._time, self._events, self._jobs = 0.0, 0, 0
        self.ends: dict[tuple[int, int], float] = {}
        """The loss at the end of each job, by trial and step."""

    def trajectory(self) -> Trajectory:
        """Runs to the limit, or until the method has nothing more to do."""
        meter, end = Meter(), self._cluster.time(self._cluster.limit)
        while self._start_all() or self._calendar:
            if not self._calendar:
                continue
            self._time, _, running = heappop(self._calendar)
            if self._time > end + 1e-6:
                break
            meter.record(self._time, running.curve(running.step))
            self._advance(running)
        return meter.trajectory

    def _start_all(self) -> bool:
        """Fills the free workers; whether any job was begun."""
        begun = False
        while len(self._calendar) < self._cluster.workers and self._jobs < _MOST_JOBS:
            job = self._method.ask()
            if job is None:
                break
            begun, self._jobs = True, self._jobs + 1
            self._begin(job)
        return begun

    def _begin(self, job: Job) -> None:
        if job.trial not in self._curves:
            self._curves[job.trial] = self._opener(job.config)
        curve, trained = self._curves[job.trial], self._trained.get(job.trial, 0)
        if job.stop <= trained:
            self._method.tell(job.trial, job.stop, curve(job.stop), last=True)
            return
        self._schedule(_Running(job, curve, trained + 1, self._cluster.cost(job.config)))

    def _schedule(self, running: _Running) -> None:
        self._events += 1
        heappush(self._calendar, (self._time + running.cost, self._events, running))

    def _advance(self, running: _Running) -> None:
        """Tells the method and puts the next step on the calendar."""
        job, step = running.job, running.step
        self._trained[job.trial] = max(step, self._trained.get(job.trial, 0))
        loss = running.curve(step)
        last = step >= job.stop or not isfinite(loss)
        if last:
            self.ends[job.trial, step] = loss
        if self._method.tell(job.trial, step, loss, last=last) and not last:
            running.step += 1
            self._schedule(running)
