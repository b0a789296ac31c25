"""A trial as people see it: one configuration, how far it was trained and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter

from ....search_spaces import Value


class TrialState(str, Enum):
    """The state of a trial. The first three can still change."""

    PENDING = "pending"
    """Waiting for a worker, for the first time or after a promotion."""
    RUNNING = "running"
    """Given to a worker."""
    PAUSED = "paused"
    """At a rung, waiting for the others of its bracket."""
    STOPPED = "stopped"
    """Compared at a rung and not promoted."""
    COMPLETED = "completed"
    """Trained to the last rung of its bracket."""
    DIVERGED = "diverged"
    """Reported a metric that is NaN or infinite; counts as worst."""
    FAILED = "failed"
    """Failed more often than `max_failures`, or lost its node more often than `max_preemptions`; counts as worst."""


@dataclass(frozen=True, slots=True, order=True)
class Parent:
    """The checkpoint of another trial that a trial begins from.

    Attributes:
        trial: The other trial's number.
        step: Steps that it was trained for, at least 1; the first own step is the one after it.
    """

    trial: int
    step: int


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One row of the table of trials.

    Attributes:
        trial: Number, from 0, in the order of creation.
        config: The configuration; names that are inactive are absent.
        seed: The trial's own seed, below 2**32.
        state: The state of the trial.
        bracket: Number of its bracket, from 0.
        rung: Index of the highest rung it reached, -1 before the first.
        step: Resource it was trained for, in steps; those up to its parent's checkpoint count.
        attempt: Number of times that its work was started again after a failure.
        value: The metric at `step`; None before the first rung, and when it failed or diverged.
        best_value: The best value at any rung.
        best_step: The step of `best_value`.
        elapsed_s: Seconds of training, over all its assignments.
        error: The traceback of its last failure.
        parent: The checkpoint that it began from; None where it began anew.
    """

    trial: int
    config: Mapping[str, Value]
    seed: int
    state: TrialState
    bracket: int
    rung: int = -1
    step: int = 0
    attempt: int = 0
    value: float | None = None
    best_value: float | None = None
    best_step: int | None = None
    elapsed_s: float = 0.0
    error: str | None = None
    parent: Parent | None = None

    @property
    def begin(self) -> int:
        """The step from which on it was trained: its parent's, or 0."""
        return 0 if self.parent is None else self.parent.step

    @property
    def trained(self) -> int:
        """Steps trained in this trial, without those of its parent."""
        return self.step - self.begin

    def moved(self, state: TrialState) -> "TrialRow":
        """The row with another state; half the time of `replace`, since a table may have a million of them."""
        return TrialRow(self.trial, self.config, self.seed, state, *_behind_state(self))


_behind_state = attrgetter(*TrialRow.__slots__[4:])


@dataclass(frozen=True, slots=True)
class TrialResults:
    """The results of one trial.

    Attributes:
        trial: The trial's number.
        config: Its configuration.
        values: The best of the metric so far by step, ascending; NaN where the trial diverged or failed on the way.
    """

    trial: int
    config: Mapping[str, Value]
    values: dict[int, float]
