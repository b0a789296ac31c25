"""A simulated executor: a virtual clock, workers that take the time they are told, and curves instead of training.

A sweep runs through it exactly as through real workers, with the same loop and the same decisions, at the speed of
arithmetic. It replays tabular benchmarks, tests controllers and estimates when a plan will finish.
"""

import gc
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from heapq import heappop, heappush
from math import isfinite
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...search_spaces import Value
from ...search_spaces.bounds import is_finite, is_whole
from ...search_spaces.values import show
from ..core.proposers.proposal import Proposer, Request
from ..core.trials.assignment import Assignment, Outcome, OutcomeStatus, split_groups, unbegun
from ..core.trials.reports import CurveSegment, CurveSegments, ReportBatch
from ..errors import InvalidSpecError
from .executor import IDLE_SHARE, ReportSink, Updates
from .proposals import Proposals

Config = Mapping[str, Value]
Curve = Callable[[Config, int], Sequence[float]]
"""`curve(config, seed)`: the metric after each step, from the first."""
StepCost = Callable[[Config, int], float]
"""`step_seconds(config, seed)`: seconds that one step of a trial takes."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Lets Python look for reference cycles rarely meanwhile.

    A simulation keeps a row and more for each trial and makes no cycles; the search through all of them again and again
    took a fifth of its time. Cycles that a curve makes are still found, young ones after 10,000 new objects.
    """
    before = gc.get_threshold()
    if before[0] > 0:  # 0 is how people switch the search off
        gc.set_threshold(max(before[0], 10_000), before[1], max(before[2], 1000))
    try:
        yield
    finally:
        gc.set_threshold(*before)


def one_second(config: Config, seed: int) -> float:
    """Every step takes a second."""
    return 1.0


class _Work(NamedTuple):
    """An assignment on the calendar.

    Attributes:
        assignment: The work.
        cost: Seconds a step.
        begin: The time at which it begins, in virtual seconds.
    """

    assignment: Assignment
    cost: float
    begin: float


class SimulatedUpdates(Updates):
    """Updates that have arrived in a simulation; their reports become columns when somebody asks for them.

    Args:
        metric: The metric's name.
        segments: The reports, an assignment's as one.
        outcomes: The assignments that have ended.
    """

    __slots__ = ("_metric", "_segments")
    _segments: Sequence[CurveSegment]
    _metric: str

    def __init__(self, metric: str, segments: Sequence[CurveSegment], outcomes: Sequence[Outcome]) -> None:
        object.__setattr__(self, "_metric", metric)
        object.__setattr__(self, "_segments", segments)
        object.__setattr__(self, "outcomes", outcomes)
        object.__setattr__(self, "proposals", ())
        object.__setattr__(self, "waiting", None)

    @property
    def reports(self) -> ReportBatch:
        """All reports of the assignments that have ended."""
        gathered = CurveSegments()
        for segment in self._segments:
            gathered.append(segment)
        return gathered.batch(self._metric)

    def add_to(self, reports: ReportSink) -> None:
        """Adds the reports to others, as segments."""
        reports.extend(self._segments)


class SimulatedExecutor:
    """Workers on a virtual clock.

    Args:
        curve: The metric of a trial after each step.
        metric: The metric's name.
        workers: Number of workers, at least 1.
        step_seconds: Seconds of one step of a trial.
        proposer: Makes the proposals, in no virtual time; None leaves all points to the controller's design.

    Raises:
        InvalidSpecError: There is no worker, a curve is not a sequence of numbers, or a cost is not at least 0.
    """

    def __init__(
        self,
        curve: Curve,
        metric: str,
        workers: int,
        step_seconds: StepCost = one_second,
        proposer: Proposer | None = None,
    ) -> None:
        if not is_whole(workers):
            raise InvalidSpecError(f"workers: must be a whole number, got {show(workers)}.")
        if workers < 1:
            raise InvalidSpecError(f"workers: must be at least 1, got {show(workers)}.")
        for name, function in (("curve", curve), ("step_seconds", step_seconds)):
            if not _takes_config_and_seed(function):
                raise InvalidSpecError(f"{name}: must be a function of config and seed, got {show(function)}.")
        self._curve, self._metric, self._workers, self._step_seconds = curve, metric, workers, step_seconds
        self._proposals = Proposals(proposer, at_once=True)
        self._clock = 0.0
        self._ends: list[tuple[float, int, list[_Work]]] = []
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
        """True where a worker is free; of many, more than `IDLE_SHARE` of them."""
        return self._workers - len(self._ends) > IDLE_SHARE * self._workers

    def scale(self, demand: Callable[[], int]) -> None:
        """The workers stay as many as they are."""

    def start(self, assignments: Sequence[Assignment]) -> None:
        """Puts the end of each group on the virtual calendar: it takes as long as its trials one after the other."""
        for group in split_groups(assignments):
            begin, works = self._clock, list[_Work]()
            for assignment in group:
                cost = self._cost(assignment)
                works.append(_Work(assignment, cost, begin))
                begin += cost * (assignment.stop - assignment.start)
            heappush(self._ends, (begin, self._started, works))
            self._started += 1

    def ask(self, request: Request) -> None:
        """Begins to make a proposal."""
        self._proposals.ask(request)

    def wait(self, timeout: float) -> Updates:
        """Gives the proposals that were asked for, or advances the clock to the next end of a group."""
        if proposals := self._proposals.drain():
            return Updates(ReportBatch.empty(), [], proposals)
        if self._cancelled:
            stopped, self._cancelled = self._cancelled, []
            return Updates(ReportBatch.empty(), [unbegun(assignment) for assignment in stopped])
        if not self._ends:
            self._clock += timeout
            return Updates(ReportBatch.empty(), [])
        self._clock, _, works = heappop(self._ends)
        curves = [self._trained(work.assignment) for work in works]
        segments = [_segment(work, curve) for work, curve in zip(works, curves, strict=True)]
        outcomes = [_outcome(work, curve) for work, curve in zip(works, curves, strict=True)]
        return SimulatedUpdates(self._metric, segments, outcomes)

    def cancel(self) -> None:
        """Takes everything that runs off the calendar."""
        self._cancelled = [work.assignment for _, _, works in sorted(self._ends) for work in works]
        self._ends.clear()
        self._closed = True

    def close(self) -> None:
        """Forgets everything."""
        self._proposals.close()
        self._ends.clear()
        self._closed = True

    def _cost(self, assignment: Assignment) -> float:
        cost = self._step_seconds(assignment.config, assignment.seed)
        if not (is_finite(cost) and cost >= 0):
            raise InvalidSpecError(f"step_seconds: must be a finite number of at least 0, got {show(cost)}.")
        return cost

    def _trained(self, work: Assignment) -> npt.NDArray[np.float64]:
        """The trial's curve up to the end of the assignment, or to a value of its own that is not finite."""
        curve = _numbers(self._curve(work.config, work.seed))[: work.stop]
        # Bytes are searched in a third of the time of an array this short.
        bad = np.isfinite(curve).tobytes().find(0, work.begin)
        return curve if bad < 0 else curve[: bad + 1]


def _takes_config_and_seed(function: object) -> bool:
    if not callable(function):
        return False
    try:
        inspect.signature(function).bind({}, 0)
    except TypeError:
        return False
    except ValueError:  # one that is written in C does not tell
        return True
    return True


def _numbers(curve: object) -> npt.NDArray[np.float64]:
    try:
        numbers = np.array(curve, np.float64)  # a copy: the function may fill the same array again
    except (TypeError, ValueError, OverflowError):
        numbers = np.empty(())
    if numbers.ndim != 1:
        raise InvalidSpecError(f"curve: must return a sequence of numbers, one a step, got {show(curve)}.")
    return numbers


def _segment(piece: _Work, curve: npt.NDArray[np.float64]) -> CurveSegment:
    """The reports of an assignment, but for those that an earlier attempt has made."""
    work = piece.assignment
    return CurveSegment(work, piece.begin, piece.cost, curve[max(work.start, work.reported) :])


def _outcome(piece: _Work, curve: npt.NDArray[np.float64]) -> Outcome:
    """The end of an assignment: at its stop, at a value that is not finite, or where the curve ends."""
    work = piece.assignment
    step = max(len(curve), work.start)
    elapsed = piece.cost * (step - work.start)
    if not len(curve):
        error = f"the curve has no values; it needs one a step, up to {work.stop}"
        return Outcome(work.trial, work.rung, work.attempt, OutcomeStatus.FAILED, step, None, elapsed, error)
    last = float(curve[-1])
    if not isfinite(last):
        error = f"the metric is {last} at step {step}"
        return Outcome(work.trial, work.rung, work.attempt, OutcomeStatus.DIVERGED, step, None, elapsed, error)
    own = curve[work.begin :] if len(curve) > work.begin else curve[-1:]
    done, lowest, highest = OutcomeStatus.COMPLETED, float(own.min()), float(own.max())
    return Outcome(work.trial, work.rung, work.attempt, done, step, last, elapsed, lowest=lowest, highest=highest)
