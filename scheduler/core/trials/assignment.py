"""Assignments, their outcomes, and the rules for those that fail."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from operator import attrgetter

from ....search_spaces import Value
from .trial import Parent


@dataclass(frozen=True, slots=True)
class Assignment:
    """One piece of work for a worker: train a trial from resource `start` to resource `stop`.

    Attributes:
        trial: The trial's number.
        config: The trial's configuration.
        seed: The trial's seed, below 2**32.
        bracket: The trial's bracket.
        rung: Index of the rung at `stop`, from 0.
        start: Steps already trained.
        stop: Steps trained when the assignment is done; greater than `start`.
        group: The lowest number of the trials that are trained together; the trial's own when it is trained alone.
        attempt: Number of times that the trial's work was started again after a failure.
        reported: Steps whose reports are already in the results; a report up to here is not made again.
        elapsed_s: Seconds of training before this assignment.
        parent: The checkpoint that the trial begins from while it has none of its own; None where it begins anew.
    """

    trial: int
    config: Mapping[str, Value]
    seed: int
    bracket: int
    rung: int
    start: int
    stop: int
    group: int
    attempt: int = 0
    reported: int = 0
    elapsed_s: float = 0.0
    parent: Parent | None = None

    @property
    def begin(self) -> int:
        """The step from which on the trial is trained: its parent's, or 0."""
        return 0 if self.parent is None else self.parent.step

    @property
    def is_first(self) -> bool:
        """True where nothing of the trial was trained before it."""
        return self.start == self.begin and self.attempt == 0


def split_groups(assignments: Iterable[Assignment]) -> list[list[Assignment]]:
    """The assignments of each group, in their order; those of a group stand together."""
    return [list(members) for _, members in groupby(assignments, key=attrgetter("group"))]


class OutcomeStatus(str, Enum):
    """The way in which an assignment ended."""

    COMPLETED = "completed"
    """The trial reached the rung, or ended by itself before it."""
    DIVERGED = "diverged"
    """A metric was NaN or infinite."""
    FAILED = "failed"
    """The training code raised, or the worker's process died."""
    PREEMPTED = "preempted"
    """The worker's node died, or was drained or taken away; nothing in the trial is to blame."""
    INTERRUPTED = "interrupted"
    """Stopped on request between two steps; the rest is still to be trained."""


class ErrorAction(str, Enum):
    """The action that is taken about a failure."""

    RETRY = "retry"
    """The work is started again, as often as `max_failures` allows."""
    RETRY_ALONE = "retry_alone"
    """The same, after the worker has tried it once more with nothing else in its memory."""
    FAIL = "fail"
    """The trial has failed: it is not started again."""
    STOP = "stop"
    """The sweep stops; once it is resumed, the work is started again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of an assignment.

    Attributes:
        trial: The trial's number.
        rung: The assignment's rung.
        attempt: The assignment's attempt; an outcome of a superseded attempt is ignored.
        status: The way in which it ended.
        step: The last step trained.
        value: The metric at `step`; None unless the status is COMPLETED.
        lowest: The lowest value of the metric that the trial reported up to `step`; `value` where nobody says.
        highest: The highest; likewise.
        elapsed_s: Seconds of training in this assignment.
        error: The traceback or the reason, for DIVERGED, FAILED and PREEMPTED.
        action: The action by the first rule that matches a failure; None where none does.
    """

    trial: int
    rung: int
    attempt: int
    status: OutcomeStatus
    step: int
    value: float | None = None
    elapsed_s: float = 0.0
    error: str | None = None
    action: ErrorAction | None = None
    lowest: float | None = None
    highest: float | None = None

    def loss(self, sign: float) -> float:
        """The best value that the trial reported up to `step`, to be minimised.

        Args:
            sign: 1 for a metric that is minimised, -1 for one that is maximised.
        """
        best = self.lowest if sign > 0 else self.highest
        if best is None:
            best = self.value
        assert best is not None, "a completed assignment has a value"
        return sign * best


def unbegun(work: Assignment) -> Outcome:
    """The outcome of work that is taken back before anything of it was trained."""
    return Outcome(work.trial, work.rung, work.attempt, OutcomeStatus.INTERRUPTED, work.start)


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """One rule.

    Attributes:
        match: A regular expression that is searched.
        action: The action that is taken where it is found.
    """

    match: str
    action: ErrorAction


def decide(rules: Iterable[ErrorRule], *texts: str) -> ErrorAction | None:
    """The action by the first rule that matches; None where none does.

    Args:
        rules: The rules, in order.
        texts: The texts that are searched: the error, and what was printed.
    """
    found = (rule.action for rule in rules if any(re.search(rule.match, text) for text in texts))
    return next(found, None)
