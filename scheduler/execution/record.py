"""The record of a run: durable in a sweep's directory, or in memory for simulations."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import time
from typing import Any

from ..core.proposers.proposal import Proposal
from ..core.state import SweepState
from ..core.trials.assignment import Assignment, Outcome
from ..errors import ObjectStoreError, StorageError, SweepLockedError
from ..results import ReportTable, ReportWriter, write_regions, write_trials
from ..storage import STORAGE_TIMEOUT_S, Journal, Outage, SweepDirectory
from .callbacks import Callbacks
from .checkpoint_cleanup import CheckpointCleanup
from .executor import Updates
from .snapshot import StopReason

_logger = logging.getLogger(__name__)

_FLUSH_ROWS = 20_000
_MOST_ROWS = 10 * _FLUSH_ROWS
_FLUSH_S = 10.0
_OUTCOME_S = 1.0
_DECISION_S = 1.0
_IDLE_S = 0.05


@dataclass(slots=True)
class _Pending:
    """Outcomes and reports that have been received and are not durable yet.

    Attributes:
        outcomes: The outcomes; the writer has the reports.
        outcome_since: The time at which the first outcome came.
        rows_since: The time at which the first report came.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    outcome_since: float | None = None
    rows_since: float | None = None


class DurableRecord:
    """Journal, Parquet parts and the tables of trials and of regions.

    Reports are written as a part every 10 s, every 20,000 rows, 1 s after an assignment has ended, and soon when a
    worker waits for the decision after an outcome. An outcome goes into the journal once its reports are durable.

    Args:
        directory: The sweep's directory.
        journal: The journal, open.
        writer: The writer of the parts.
        value_types: The value type of each hyperparameter.
        cleanup: Deletes checkpoints that are not needed any more; None keeps them all.
        storage_timeout: Seconds to wait for storage that cannot be written, at least 0.
        callbacks: Told what has become durable; closed with the record.
    """

    def __init__(  # noqa: PLR0913 the parts of one record, which are put together in one place
        self,
        directory: SweepDirectory,
        journal: Journal,
        writer: ReportWriter,
        value_types: Mapping[str, str],
        cleanup: CheckpointCleanup | None = None,
        storage_timeout: float = STORAGE_TIMEOUT_S,
        *,
        callbacks: Callbacks | None = None,
    ) -> None:
        self._directory, self._journal, self._writer = directory, journal, writer
        self._value_types, self._cleanup = value_types, cleanup
        self._callbacks = callbacks or Callbacks()
        self._pending = _Pending()
        self._journaled: list[Outcome] = []
        """Outcomes that stand in the journal's buffer."""
        self._committed = 0.0
        self._outage = Outage(directory.path, storage_timeout)
        self._workers_outage = Outage(directory.path, storage_timeout)
        """The outage of workers that cannot save a checkpoint."""
        self._said: str | None = None
        """The thing that the sweep waits for, as a person was told."""
        self._stale_tables = False
        self._closing = False
        self._regions: int | None = None
        """Number of proposals that the table of regions tells of; None before it is written."""

    @property
    def waiting(self) -> str | None:
        """The thing that this process or a worker cannot write at present, and why."""
        return self._outage.reason or self._workers_outage.reason

    @property
    def writable(self) -> bool:
        """True where a decision made now can be recorded soon."""
        return self._outage.reason is None

    @property
    def full(self) -> bool:
        """True where more reports wait for the storage than should be kept in memory."""
        return not self.writable and self._writer.rows_buffered >= _MOST_ROWS

    def decided(self, free: int, assignments: Sequence[Assignment]) -> None:
        """Notes a decision; new trials with their configurations."""
        for assignment in assignments:
            self._writer.register(assignment.trial, assignment.config)
        self._journal.append(decided_event(free, assignments))
        self._callbacks.decided(assignments)

    def proposed(self, proposal: Proposal) -> None:
        """Notes a proposal, from which a replay takes it."""
        self._journal.append({"type": "proposed", "proposal": proposal.to_json()})
        self._callbacks.proposed(proposal)

    def received(self, updates: Updates, now: float) -> None:
        """Buffers reports and outcomes; decisions become durable soon, so that others see the work in training."""
        if self.writable and self._journal.pending and now - self._committed > _DECISION_S:
            with self._trying():
                self._journal.commit()
                self._committed = now
                self._callbacks.decisions_are_durable()
        if updates.waiting is not None:
            self._workers_outage.waits(updates.waiting)
        else:
            self._workers_outage.worked()
        self._say()
        self._callbacks.received(updates)
        pending = self._pending
        if len(updates.reports):
            self._writer.append(updates.reports)
            if self._cleanup is not None:
                self._cleanup.received(updates.reports)
            pending.rows_since = now if pending.rows_since is None else pending.rows_since
        if updates.outcomes:
            pending.outcomes += updates.outcomes
            pending.outcome_since = now if pending.outcome_since is None else pending.outcome_since

    def due(self, now: float, *, idle: bool) -> bool:
        """True where rows or outcomes have waited long enough, or it is time to retry what could not be written."""
        if not self.writable:
            return self._outage.due
        rows_since, outcome_since = self._pending.rows_since, self._pending.outcome_since
        if self._writer.rows_buffered >= _FLUSH_ROWS or (rows_since is not None and now - rows_since >= _FLUSH_S):
            return True
        if outcome_since is None:
            return False
        return now - outcome_since >= _OUTCOME_S or (idle and now - self._committed >= _IDLE_S)

    def commit(self, now: float) -> Sequence[Outcome]:
        """Writes the part, then the journal, and returns the outcomes; none while the storage cannot be written.

        Raises:
            StorageError: The storage could not be written for too long, or waiting is of no use.
            SweepLockedError: Another process has taken the sweep over.
        """
        settled: list[Outcome] = []
        with self._trying():
            self._journal.check()
            self._flush()
            if self._pending.outcomes:
                outcomes = [_compact(outcome) for outcome in self._pending.outcomes]
                self._journal.append({"type": "ended", "time": time(), "outcomes": outcomes})
                self._journaled += self._pending.outcomes
            self._pending = _Pending()
            self._journal.commit()
            self._committed = now
            settled, self._journaled = self._journaled, []
            self._callbacks.all_is_durable()
        return settled

    def tabulate(self, state: SweepState) -> None:
        """Replaces trials.parquet and, where there is something new in it, regions.parquet; then tidies up."""
        if self.writable:
            try:
                self._journal.check()
                self._write_tables(state)
                self._stale_tables = False
            except (OSError, ObjectStoreError) as error:
                if not self._stale_tables:
                    _logger.warning("The table of trials stays as it is for now: %s", error)
                self._stale_tables = True
        if self._cleanup is not None and self._may_write():
            self._cleanup.tidy(state)

    def _write_tables(self, state: SweepState) -> None:
        write_trials(self._directory.trials, state.rows, self._value_types, self._directory.staging)
        if self._regions != len(state.insights):
            write_regions(self._directory.regions, state.insights, self._directory.staging)
            self._regions = len(state.insights)

    def close(self, state: SweepState, reason: StopReason) -> None:
        """Writes the rest, the table of trials and the reason; called again where the storage could not be written.

        Raises:
            StorageError: The storage could not be written for too long, or waiting is of no use.
            SweepLockedError: Another process has taken the sweep over.
        """
        with self._trying():
            self._journal.check()
            self._flush()
            self._write_tables(state)
            if not self._closing:
                self._journal.append({"type": "closed", "reason": reason.value, "time": time()})
                self._closing = True
            self._journal.commit()
            self._callbacks.all_is_durable()
        if self.writable:
            if self._cleanup is not None:
                self._cleanup.finish(state)
            self._callbacks.close(reason)

    def _flush(self) -> None:
        """Writes the part and notes its mark, by which a part that is lost or changed is noticed."""
        self._writer.flush()
        if marks := self._writer.drain_marks():
            self._journal.append({"type": "flushed", "parts": [mark.to_json() for mark in marks]})
        if self._cleanup is not None:
            self._cleanup.flushed()

    def release(self) -> None:
        """Closes the journal; the last decisions need not be in it."""
        try:
            self._journal.close()
        except (OSError, StorageError, SweepLockedError) as error:
            _logger.warning("What happened last is not recorded and will be done again: %s", error)
        if self._cleanup is not None:
            self._cleanup.close()
        self._callbacks.close()

    @contextmanager
    def _trying(self) -> Iterator[None]:
        """Writes something, and waits for another time if the storage does not let it."""
        try:
            yield
        except (OSError, ObjectStoreError) as error:
            self._outage.failed(error)
        else:
            self._outage.worked()
        self._say()

    def _say(self) -> None:
        """Says once that the sweep waits for the storage, here or in a worker, and once that it goes on."""
        said, self._said = self._said, self.waiting
        if said is None and self._said is not None:
            _logger.warning("paused: %s", self._said)
        elif said is not None and self._said is None:
            _logger.warning("going on: %s can be written again", said.partition(" cannot be written")[0])

    def _may_write(self) -> bool:
        """True where this process is known to have the sweep still."""
        try:
            self._journal.check()
        except ObjectStoreError:
            return False
        return True


def decided_event(free: int, assignments: Sequence[Assignment]) -> dict[str, Any]:
    """The journal's line for a decision: trial, rung and attempt of each assignment, and configurations of new trials.

    `parents` has the trial and the step of the checkpoint that a new trial begins from; it is absent where all of them
    begin anew.
    """
    work = [[assignment.trial, assignment.rung, assignment.attempt] for assignment in assignments]
    new = [assignment for assignment in assignments if assignment.is_first]
    configs = {str(assignment.trial): dict(assignment.config) for assignment in new}
    event = {"type": "decided", "free": free, "assignments": work, "configs": configs}
    parents = {str(one.trial): [one.parent.trial, one.parent.step] for one in new if one.parent is not None}
    return {**event, "parents": parents} if parents else event


def _compact(outcome: Outcome) -> dict[str, Any]:
    """An outcome without the fields that hold nothing."""
    values = ((name, getattr(outcome, name)) for name in Outcome.__slots__)
    return {name: value for name, value in values if value is not None}


class MemoryRecord:
    """Keeps reports in memory and settles outcomes at once: for simulations, which nobody resumes.

    Args:
        reports: The table in which the reports are gathered.
        callbacks: Told what was settled; closed with the record.
    """

    def __init__(self, reports: ReportTable, callbacks: Callbacks | None = None) -> None:
        self._reports, self._callbacks = reports, callbacks or Callbacks()
        self._outcomes: list[Outcome] = []

    @property
    def waiting(self) -> None:
        """None: memory can be written."""

    @property
    def writable(self) -> bool:
        """True."""
        return True

    @property
    def full(self) -> bool:
        """False."""
        return False

    def decided(self, free: int, assignments: Sequence[Assignment]) -> None:
        """Tells the callbacks; the configurations are taken from the state at the end."""
        self._callbacks.decided(assignments)

    def proposed(self, proposal: Proposal) -> None:
        """Tells the callbacks; the state has it."""
        self._callbacks.proposed(proposal)

    def received(self, updates: Updates, now: float) -> None:
        """Keeps reports and outcomes."""
        updates.add_to(self._reports)
        self._outcomes += updates.outcomes
        self._callbacks.received(updates)

    def due(self, now: float, *, idle: bool) -> bool:
        """True where there are outcomes."""
        return bool(self._outcomes)

    def commit(self, now: float) -> Sequence[Outcome]:
        """The outcomes since the last commit."""
        outcomes, self._outcomes = self._outcomes, []
        self._callbacks.all_is_durable()
        return outcomes

    def tabulate(self, state: SweepState) -> None:
        """Does nothing: the table is made from the state at the end."""

    def close(self, state: SweepState, reason: StopReason) -> None:
        """Joins the configurations of the trials to the reports."""
        for row in state.rows:
            self._reports.register(row.trial, row.config)
        self._callbacks.all_is_durable()
        self._callbacks.close(reason)
