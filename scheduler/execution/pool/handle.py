"""One worker as the driver sees it: its work, its reports, and the outcomes of its work if it dies."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...core.trials.assignment import Assignment, ErrorRule, Outcome, OutcomeStatus, decide, unbegun
from ...core.trials.reports import ReportBatch
from ..executor import Updates


@dataclass(slots=True)
class WorkerHandle:
    """One worker as the driver sees it.

    Attributes:
        actor: Its Ray actor.
        asked: The time at which its pending poll was asked, in seconds of the executor's clock.
        number: Its number, which no other worker of the run has.
        kind: The place of its kind among the kinds of workers.
        idle_since: Time since which it has had nothing to do, in seconds of the executor's clock, where it has no work.
        roomless: True where it was started while nothing had room for it, for Ray to place it when something has.
        begun: True where Ray has begun to start it somewhere.
        leaving: True where it is to end as soon as it has no work, which it is not given any more.
        work: Its groups that have not ended, oldest first, by name; of each the assignments by trial.
        group_of: The group of each trial in `work`.
        reported: The step of the last report of each trial in `work` that has reported.
        sent: Number of times that work was sent to it.
        node: The id of its node; None before it has answered once.
        nodes: The ids of the nodes of all its processes.
        waiting: The thing that it could not write when it answered last, and why.
        doubted: Time since which it has been out of reach, in seconds of the executor's clock; None while it answers.
    """

    actor: Any
    asked: float
    number: int = 0
    kind: int = 0
    idle_since: float = 0.0
    roomless: bool = False
    begun: bool = False
    leaving: bool = False
    work: dict[int, dict[int, Assignment]] = field(default_factory=dict)
    group_of: dict[int, int] = field(default_factory=dict)
    reported: dict[int, int] = field(default_factory=dict)
    sent: int = 0
    node: str | None = None
    nodes: frozenset[str] = frozenset()
    waiting: str | None = None
    doubted: float | None = None

    @property
    def ready(self) -> bool:
        """True where it has answered once, and still does."""
        return self.node is not None and self.doubted is None

    @property
    def placed(self) -> bool:
        """True where it has a place in the cluster."""
        return self.node is not None or self.begun

    @property
    def open(self) -> bool:
        """True where it takes work."""
        return self.ready and not self.leaving

    def give(self, group: Sequence[Assignment]) -> None:
        """Notes a group that the worker is to train."""
        name = group[0].group
        self.work[name] = {assignment.trial: assignment for assignment in group}
        self.group_of.update(dict.fromkeys(self.work[name], name))

    def end(self, trial: int) -> bool:
        """Forgets an assignment, and says whether it was the last one of its group."""
        self.reported.pop(trial, None)
        name = self.group_of.pop(trial, None)
        if name is None:
            return False
        del self.work[name][trial]
        if self.work[name]:
            return False
        del self.work[name]
        return True

    def fence(self, reports: ReportBatch, outcomes: Sequence[Outcome]) -> Updates:
        """Selects updates of the attempts that the worker was given; anything else was superseded and is dropped.

        It also notes how far each trial has reported.
        """
        kept = self._fence_reports(reports)
        self.reported.update(kept.last_steps())
        return Updates(kept, [outcome for outcome in outcomes if self._given(outcome.trial) == outcome.attempt])

    def lost(self, status: OutcomeStatus, reason: str, rules: Sequence[ErrorRule] = ()) -> list[Outcome]:
        """The outcomes of a dead worker's work: it trained the oldest group, and had not begun the others.

        Args:
            status: FAILED or PREEMPTED, for what it trained; the rest was INTERRUPTED.
            reason: The text that is said about it.
            rules: The rules for the handling of failures.
        """
        outcomes = []
        for place, group in enumerate(self.work.values()):
            begun = place == 0 or any(trial in self.reported for trial in group)
            action = decide(rules, reason) if begun and status is OutcomeStatus.FAILED else None
            how, error = (status, reason) if begun else (OutcomeStatus.INTERRUPTED, None)
            for work in group.values():
                step = self.reported.get(work.trial, work.start)
                outcomes.append(Outcome(work.trial, work.rung, work.attempt, how, step, None, 0.0, error, action))
        return outcomes

    def unbegun(self) -> list[Outcome]:
        """The outcomes of work that is taken back from a worker before it began any of it."""
        return [unbegun(work) for group in self.work.values() for work in group.values()]

    def _given(self, trial: int) -> int | None:
        """The attempt that the worker was given of a trial."""
        name = self.group_of.get(trial)
        return None if name is None else self.work[name][trial].attempt

    def _fence_reports(self, reports: ReportBatch) -> ReportBatch:
        trials, places = np.unique(reports.trial, return_inverse=True)
        attempts = [self._given(trial) for trial in trials.tolist()]
        given = np.array([-1 if attempt is None else attempt for attempt in attempts], np.int32)
        keep = given[places] == reports.attempt
        return reports if keep.all() else reports.select(keep)
