"""A simulated executor: a virtual clock, workers that take the time they are told, and curves instead of training.

A sweep runs through it exactly as through real workers, with the same loop and the same decisions, at the speed of
arithmetic. It replays tabular benchmarks, tests controllers and estimates when a plan will finish.
"""

from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush
from math import isfinite

import numpy as np
import numpy.typing as npt

from ...search_spaces import Value
from ..core.assignment import Assignment, Outcome, OutcomeStatus
from ..core.reports import ReportBatch
from ..errors import InvalidSpecError
from .executor import Arrivals

Config = Mapping[str, Value]
Curve = Callable[[Config, int], Sequence[float]]
"""`curve(config, seed)`: the metric after each step, from the first."""
StepCost = Callable[[Config, int], float]
"""`step_seconds(config, seed)`: seconds that one step of a trial takes."""


def one_second(config: Config, seed: int) -> float:
    """Every step takes a second."""
    return 1.0


class SimulatedExecutor:
    """Workers on a virtual clock.

    Args:
        curve: The metric of a trial after each step.
        metric: The metric's name.
        workers: Number of workers, at least 1.
        step_seconds: Seconds of one step of a trial.

    Raises:
        InvalidSpecError: There is no worker, a curve is not a sequence of numbers, or a cost is not at least 0.
    """

    def __init__(self, curve: Curve, metric: str, workers: int, step_seconds: StepCost = one_second) -> None:
        if workers < 1:
            raise InvalidSpecError(f"workers: must be at least 1, got {workers!r}.")
        self._curve, self._metric, self._workers, self._step_seconds = curve, metric, workers, step_seconds
        self._clock = 0.0
        self._ends: list[tuple[float, int, Assignment, float]] = []
        self._started = 0
        self._cancelled: list[Assignment] = []
        self._closed = False

    @property
    def workers(self) -> int:
        """Number of workers."""
        return self._workers

    def now(self) -> float:
        """Virtual seconds since the start."""
        return self._clock

    def capacity(self) -> int:
        """Free workers."""
        return 0 if self._closed else self._workers - len(self._ends)

    def idle(self) -> bool:
        """Whether a worker is free."""
        return len(self._ends) < self._workers

    def start(self, assignments: Sequence[Assignment]) -> None:
        """Puts the end of each assignment on the virtual calendar."""
        for assignment in assignments:
            cost = self._cost(assignment)
            end = self._clock + cost * (assignment.stop - assignment.start)
            heappush(self._ends, (end, self._started, assignment, cost))
            self._started += 1

    def wait(self, timeout: float) -> Arrivals:
        """Advances the clock to the next end of an assignment; real time does not pass."""
        if self._cancelled:
            stopped, self._cancelled = self._cancelled, []
            return Arrivals(ReportBatch.empty(), [_interrupted(assignment) for assignment in stopped])
        if not self._ends:
            self._clock += timeout
            return Arrivals(ReportBatch.empty(), [])
        self._clock, _, assignment, cost = heappop(self._ends)
        return self._replay(assignment, cost)

    def cancel(self) -> None:
        """Takes everything that runs off the calendar."""
        self._cancelled = [assignment for _, _, assignment, _ in sorted(self._ends)]
        self._ends.clear()
        self._closed = True

    def close(self) -> None:
        """Forgets everything."""
        self._ends.clear()
        self._closed = True

    def _cost(self, assignment: Assignment) -> float:
        cost = self._step_seconds(assignment.config, assignment.seed)
        if not (isfinite(cost) and cost >= 0):
            raise InvalidSpecError(f"step_seconds: must be a finite number of at least 0, got {cost!r}.")
        return cost

    def _replay(self, assignment: Assignment, cost: float) -> Arrivals:
        curve = _numbers(self._curve(assignment.config, assignment.seed))[: assignment.stop]
        bad = np.flatnonzero(~np.isfinite(curve))
        if len(bad):
            curve = curve[: bad[0] + 1]
        reports = self._reports(assignment, curve[assignment.start :], cost)
        return Arrivals(reports, [_outcome(assignment, curve, cost)])

    def _reports(self, work: Assignment, values: npt.NDArray[np.float64], cost: float) -> ReportBatch:
        n = len(values)
        trained = cost * np.arange(1, n + 1, dtype=np.float64)
        begin = self._clock - cost * (work.stop - work.start)
        return ReportBatch(
            np.full(n, work.trial, np.int32),
            np.full(n, work.attempt, np.int32),
            np.full(n, work.bracket, np.int64),
            np.full(n, work.rung, np.int64),
            np.arange(work.start + 1, work.start + n + 1),
            ((begin + trained) * 1e6).astype(np.int64),
            work.elapsed_s + trained,
            {self._metric: values},
        ).select(np.arange(work.start + 1, work.start + n + 1) > work.reported)


def _numbers(curve: object) -> npt.NDArray[np.float64]:
    try:
        numbers = np.asarray(curve, np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(())
    if numbers.ndim != 1:
        raise InvalidSpecError(f"curve: must return a sequence of numbers, one a step, got {curve!r}.")
    return numbers


def _outcome(work: Assignment, curve: npt.NDArray[np.float64], cost: float) -> Outcome:
    """The end of an assignment: at its stop, at a value that is not finite, or where the curve ends."""
    step = max(len(curve), work.start)
    elapsed = cost * (step - work.start)
    if not len(curve):
        error = f"the curve has no values; it needs one a step, up to {work.stop}"
        return Outcome(work.trial, work.rung, work.attempt, OutcomeStatus.FAILED, step, None, elapsed, error)
    last = float(curve[-1])
    if not isfinite(last):
        error = f"the metric is {last} at step {step}"
        return Outcome(work.trial, work.rung, work.attempt, OutcomeStatus.DIVERGED, step, None, elapsed, error)
    return Outcome(work.trial, work.rung, work.attempt, OutcomeStatus.COMPLETED, step, last, elapsed)


def _interrupted(work: Assignment) -> Outcome:
    return Outcome(work.trial, work.rung, work.attempt, OutcomeStatus.INTERRUPTED, work.start)
