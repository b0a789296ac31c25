"""The progress of a sweep: its brackets with their rungs, and the part of its budget that it has spent."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from ..core.controllers.registry import bracket_schedule
from ..core.controllers.schedule import BracketPlan
from ..core.trials.trial import TrialRow, TrialState
from ..execution.loop import RunSnapshot
from ..spec.spec import SweepSpec

_OPEN = (TrialState.PENDING, TrialState.RUNNING, TrialState.PAUSED)
_BAD = (TrialState.DIVERGED, TrialState.FAILED)


@dataclass(frozen=True, slots=True)
class RungProgress:
    """One rung of a bracket.

    Attributes:
        level: Resource at the rung, in steps.
        planned: Trials that the plan takes to it; fewer come where too many diverge or fail below it.
        results: Trials that have reached it, or diverged or failed on the way to it.
    """

    level: int
    planned: int
    results: int


@dataclass(frozen=True, slots=True)
class BracketProgress:
    """One bracket that has been opened.

    Attributes:
        number: Its number, from 0.
        rungs: Its rungs, from the lowest.
        running: Trials that are being trained.
        finished: True where nothing of it is left to do.
    """

    number: int
    rungs: tuple[RungProgress, ...]
    running: int
    finished: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a sweep.

    Attributes:
        brackets: The brackets that have been opened, in order.
        planned_brackets: Brackets in all; None where only the time is limited.
        trials: Trials that have been started.
        planned_trials: Trials in all; None where only the time is limited.
        resource: Steps trained.
        planned_resource: Steps in all; None where only the time is limited.
        states: Number of trials in each state that occurs.
    """

    brackets: tuple[BracketProgress, ...]
    planned_brackets: int | None
    trials: int
    planned_trials: int | None
    resource: int
    planned_resource: int | None
    states: Mapping[str, int]


class ProgressMeter:
    """Measures the progress of one sweep again and again.

    Args:
        spec: The sweep's spec.
        earlier_s: Seconds that earlier runs of the sweep took.
        schedule: Its brackets, where they follow from more than the spec; those of the spec if None.
    """

    def __init__(self, spec: SweepSpec, earlier_s: float = 0.0, schedule: Iterator[BracketPlan] | None = None) -> None:
        self._hours = spec.budget.hours
        self._earlier_s = earlier_s
        self._schedule = bracket_schedule(spec.search) if schedule is None else schedule
        self._plans: list[BracketPlan] = []
        self._ends = spec.ends
        if self._ends:
            self._plans.extend(self._schedule)
        self._began: tuple[float, int] | None = None
        self._trials: dict[int, dict[int, TrialRow]] = defaultdict(dict)
        """The rows of each bracket by trial, as they were last."""
        self._brackets: dict[int, BracketProgress] = {}
        self._states: Counter[str] = Counter()

    def measure(self, rows: Sequence[TrialRow], resource: int) -> Progress:
        """The progress at a moment; only rows that are not the same objects as the last time are counted anew.

        Args:
            rows: The table of trials.
            resource: Steps trained over all trials.
        """
        changed = [row for row in rows if self._trials[row.bracket].get(row.trial) is not row]
        for row in changed:
            self._count(row)
        self._plans.extend(islice(self._schedule, max(0, len(self._trials) - len(self._plans))))
        for number in {row.bracket for row in changed}:
            self._brackets[number] = _measured(number, self._plans[number], self._trials[number].values())
        return Progress(
            brackets=tuple(self._brackets[number] for number in sorted(self._brackets)),
            planned_brackets=len(self._plans) if self._ends else None,
            trials=len(rows),
            planned_trials=sum(plan.trials for plan in self._plans) if self._ends else None,
            resource=resource,
            planned_resource=sum(plan.cost for plan in self._plans) if self._ends else None,
            states={state: count for state, count in self._states.items() if count},
        )

    def _count(self, row: TrialRow) -> None:
        before = self._trials[row.bracket].get(row.trial)
        if before is not None:
            self._states[before.state.value] -= 1
        self._states[row.state.value] += 1
        self._trials[row.bracket][row.trial] = row

    def seconds_left(self, snapshot: RunSnapshot, progress: Progress) -> float | None:
        """Estimated seconds to the end of a run that is observed, at the pace so far; None while it is not known."""
        limits = []
        if self._hours is not None:
            limits.append(self._hours * 3600 - self._earlier_s - snapshot.elapsed_s)
        if self._began is None and snapshot.workers:
            self._began = snapshot.elapsed_s, progress.resource
        if self._began is not None and progress.planned_resource is not None:
            began_s, before = self._began
            trained = progress.resource - before
            if trained > 0:
                pace = (snapshot.elapsed_s - began_s) / trained
                limits.append(pace * (progress.planned_resource - progress.resource))
        return max(0.0, min(limits)) if limits else None


def _measured(number: int, plan: BracketPlan, rows: Collection[TrialRow]) -> BracketProgress:
    results = [0] * len(plan.levels)
    for row in rows:
        first = sum(level <= row.begin for level in plan.levels)
        reached = max(row.rung, first - 1) + (row.state in _BAD)
        for rung in range(first, min(reached + 1, len(results))):
            results[rung] += 1
    rungs = zip(plan.levels, plan.sizes, results, strict=True)
    return BracketProgress(
        number,
        tuple(RungProgress(level, planned, done) for level, planned, done in rungs),
        running=sum(row.state is TrialState.RUNNING for row in rows),
        finished=len(rows) == plan.trials and not any(row.state in _OPEN for row in rows),
    )
