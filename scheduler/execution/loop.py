"""The loop of a sweep: decide, execute, record, handle.

    state.decide(free) -> executor.start -> executor.wait -> record.commit -> state.handle

An outcome is handled only after the record has made it durable, so that a crash at any instant loses nothing that a
decision was based on.
"""

import logging
import time
from collections.abc import Sequence
from math import inf
from typing import Protocol

from ..core.proposers.proposal import Proposal
from ..core.state import SweepState
from ..core.trials.assignment import Assignment, ErrorAction, Outcome
from .executor import Executor, Updates
from .interrupts import Interrupts
from .snapshot import Observer, RunSnapshot, StopReason
from .throttle import Throttle

_logger = logging.getLogger(__name__)

_WAIT_S = 0.25
_IDLE_WAIT_S = 0.05
_TABLE_EVERY_S, _TABLE_SHARE = 10.0, 0.02
"""Seconds between two tables of trials, and their largest share of the time: a table grows with the sweep."""
_OBSERVE_EVERY_S = 0.5


class Record(Protocol):
    """Keeper of a sweep's decisions, reports and outcomes."""

    @property
    def waiting(self) -> str | None:
        """The thing that this process or a worker cannot write at present, and why; None while everything can be."""

    @property
    def writable(self) -> bool:
        """True where a decision made now can be recorded soon."""

    @property
    def full(self) -> bool:
        """True where more reports wait for the storage than should be kept in memory."""

    def decided(self, free: int, assignments: Sequence[Assignment]) -> None:
        """Notes a decision, before it is carried out."""

    def proposed(self, proposal: Proposal) -> None:
        """Notes a proposal, before it is acted on."""

    def received(self, updates: Updates, now: float) -> None:
        """Notes reports and outcomes; they need not be durable yet."""

    def due(self, now: float, *, idle: bool) -> bool:
        """True where it is time to commit; `idle` says that a worker waits for work."""

    def commit(self, now: float) -> Sequence[Outcome]:
        """Makes everything noted durable and returns the outcomes that this settles, in order.

        While the storage cannot be written there are none, and `due` says when to try again.
        """

    def tabulate(self, state: SweepState) -> None:
        """Replaces the table of trials that people read meanwhile."""

    def close(self, state: SweepState, reason: StopReason) -> None:
        """Notes the reason for the end and writes the last table of trials; called again where it is not `writable`."""


class SweepLoop:
    """Runs a sweep to its end.

    Args:
        state: The sweep's decisions.
        executor: The part that trains.
        record: The part that keeps.
        interrupts: Requests to stop.
        seconds: Seconds that the run may take; then it stops like one that is asked to.
        observe: Called twice a second at most, and at the end; once it raises, it is left alone.
    """

    def __init__(
        self,
        state: SweepState,
        executor: Executor,
        record: Record,
        interrupts: Interrupts,
        seconds: float = inf,
        observe: Observer | None = None,
    ) -> None:
        self._state, self._executor, self._record = state, executor, record
        self._interrupts, self._seconds, self._observe = interrupts, seconds, observe
        self._began = executor.now()
        self._tables, self._observed = Throttle(_TABLE_EVERY_S, _TABLE_SHARE), -inf
        self._stopping: StopReason | None = None
        self._ended: set[int] = set()
        """Trials whose outcomes have arrived and are not handled yet."""
        self._asked: int | None = None
        """The number of the proposal that was asked for last."""

    def run(self) -> StopReason:
        """Decides, executes, records and handles until nothing is left to do."""
        while not self._state.finished:
            if self._settle(idle=False):
                continue
            if self._stopping is None and self._record.writable:
                self._assign()
            idle = self._stopping is not None or self._executor.idle()
            if idle and self._settle(idle=True):
                continue
            if self._stopping is not None and (not self._state.outstanding or self._stuck):
                break
            self._wait(_IDLE_WAIT_S if idle else _WAIT_S)
            self._look_up()
        reason = self._close()
        self._tell()
        return reason

    @property
    def _stuck(self) -> bool:
        """True where all work has ended and only its outcomes wait for the storage."""
        return not self._record.writable and all(work.trial in self._ended for work in self._state.outstanding)

    def _wait(self, timeout: float) -> None:
        if self._record.full and self._stopping is None:
            time.sleep(timeout)  # workers that are not asked for their reports come to wait too
            return
        updates = self._executor.wait(timeout)
        self._ended.update(outcome.trial for outcome in updates.outcomes)
        self._record.received(updates, self._executor.now())
        self._accept(updates.proposals)

    def _close(self) -> StopReason:
        """Records the end; while the storage cannot be written, a request to stop ends the wait for it."""
        while (reason := self._try_to_close()) is None:
            if self._interrupts.requested():
                _logger.warning("What could not be written will be done again when the sweep is resumed.")
                return StopReason.INTERRUPTED
            self._look_up()
            time.sleep(_IDLE_WAIT_S)
        return reason

    def _try_to_close(self) -> StopReason | None:
        """Records the end and its reason; None where the storage cannot be written, or is not to be tried again yet."""
        now = self._executor.now()
        if not self._record.writable and not self._record.due(now, idle=True) and not self._interrupts.requested():
            return None
        self._handle(self._record.commit(now))
        reason = StopReason.FINISHED if self._stopping is None or self._state.finished else self._stopping
        if self._record.writable:
            self._record.close(self._state, reason)
        return reason if self._record.writable else None

    def _assign(self) -> None:
        wanted = self._state.wanted
        if wanted is not None and wanted != self._asked:
            self._executor.ask(self._state.request())
            self._asked = wanted
        self._executor.scale(self._state.demand)
        # Decided work may wait for workers of another kind than those that are free.
        while (free := self._executor.capacity()) and (assignments := self._state.decide(free)):
            self._record.decided(free, assignments)
            self._executor.start(assignments)

    def _accept(self, proposals: Sequence[Proposal]) -> None:
        """Records proposals and passes them on: like a decision, one that is lost with a crash is made again."""
        for proposal in proposals:
            self._record.proposed(proposal)
            self._state.accept(proposal)

    def _settle(self, *, idle: bool) -> bool:
        """Commits when it is time and lets the state act on what is durable; returns True where it could."""
        now = self._executor.now()
        if not self._record.due(now, idle=idle):
            return False
        self._handle(self._record.commit(now))
        self._stop_if_asked(now)
        return self._record.writable

    def _handle(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            self._ended.discard(outcome.trial)
            self._state.handle(outcome)
            if outcome.action is ErrorAction.STOP and self._interrupts.failure is None:
                self._interrupts.failure = _stop_sentence(outcome)

    def _look_up(self) -> None:
        """Does the work of now and then: requests to stop, the table of trials, the observer."""
        now = self._executor.now()
        self._stop_if_asked(now)
        if self._tables.due(now):
            began = time.perf_counter()
            self._record.tabulate(self._state)
            self._tables.done(now, time.perf_counter() - began)
        if now - self._observed >= _OBSERVE_EVERY_S:
            self._tell()
            self._observed = now

    def _stop_if_asked(self, now: float) -> None:
        if self._stopping is None and (reason := self._stop_reason(now)):
            self._stopping = reason
            self._executor.cancel()

    def _stop_reason(self, now: float) -> StopReason | None:
        if self._interrupts.failure is not None:
            return StopReason.FAILURE
        if self._interrupts.requested():
            return StopReason.INTERRUPTED
        return StopReason.OUT_OF_TIME if now - self._began >= self._seconds else None

    def _tell(self) -> None:
        if self._observe is None:
            return
        elapsed = self._executor.now() - self._began
        try:
            stopping = self._stopping is not None
            self._observe(RunSnapshot(self._state, self._executor.workers, elapsed, stopping, self._record.waiting))
        except Exception:
            _logger.exception("The observer of the sweep failed: the sweep goes on unobserved.")
            self._observe = None


def _stop_sentence(outcome: Outcome) -> str:
    said = ((outcome.error or "").strip().splitlines() or ["nothing"])[-1].rstrip(".")
    return f"trial {outcome.trial} failed, and on_error says to stop the sweep then; it said {said}."
