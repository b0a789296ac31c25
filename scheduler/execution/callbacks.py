"""Callbacks: a person's code that hears of the durable events of a run, beside the sweep and never in its way."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Any, Protocol

from ..core.proposers.proposal import Proposal
from ..core.trials.assignment import Assignment, Outcome
from ..core.trials.reports import ReportBatch
from ..storage import Location
from .executor import Updates
from .snapshot import StopReason

_logger = logging.getLogger(__name__)

MOST_ITEMS = 200_000
"""Reports, decisions and outcomes that may wait for one callback; beyond that the callback is left out."""
_PATIENCE_S, _SHORT_PATIENCE_S = 5.0, 1.0
"""Seconds that a run waits for callbacks at its end, and where an error breaks it off."""


@dataclass(frozen=True, slots=True)
class RunStart:
    """The facts of a run.

    Attributes:
        directory: The sweep's directory; None in a simulation, which has none.
        spec: The spec, as sweep.yaml has it.
        resumed: True where an earlier run of the sweep is gone on with.
    """

    directory: Location | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)
    resumed: bool = False


class Callback(Protocol):
    """A listener to the durable events of a run; a class that inherits this replaces the methods that it needs.

    All methods are called in one thread, which is not that of the sweep, and in order: a trial's assignment before its
    reports, and its reports before its outcome. The arguments are shared with the sweep and must not be changed. A
    callback that raises, or falls far behind, is left out from there on, and the sweep goes on.
    """

    def on_run_start(self, run: RunStart) -> None:
        """The run begins; told once."""
        return

    def on_assignments(self, assignments: Sequence[Assignment]) -> None:
        """Trials are trained, or trained further: a decision."""
        return

    def on_proposal(self, proposal: Proposal) -> None:
        """Points to be tried were proposed, from the results by then."""
        return

    def on_reports(self, reports: ReportBatch) -> None:
        """Reports of any number of trials, as columns; each report is told once in a run."""
        return

    def on_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """Assignments have ended."""
        return

    def on_run_end(self, reason: StopReason | None) -> None:
        """The run has ended; told once, and last. The reason is None where an error broke it off."""
        return


@dataclass(frozen=True, slots=True)
class _Event:
    """One call of a callback, made by `call`; it counts as so many `items` of the queue."""

    call: Callable[[Callback], None]
    items: int
    decision: bool = False


class Callbacks:
    """Keeps the events of a run until they are durable, then tells the callbacks; each has a thread and a queue.

    The sweep never waits for a callback: it leaves an event in a queue that a thread empties. Only the end of a run
    waits, for some seconds, until what is queued is delivered. Where there is no callback, nothing is kept.

    Args:
        callbacks: The callbacks.
        run: The facts of the run.
        most: Reports, decisions and outcomes that may wait for one callback, at least 1.
    """

    def __init__(self, callbacks: Iterable[Callback] = (), run: RunStart | None = None, most: int = MOST_ITEMS) -> None:
        facts = RunStart() if run is None else run
        self._deliveries = [_Delivery(callback, most) for callback in callbacks]
        self._start = _Event(lambda callback: callback.on_run_start(facts), 1, decision=True)
        self._noted = [self._start]
        """Events that are not durable yet, in order."""

    def decided(self, assignments: Sequence[Assignment]) -> None:
        """Notes a decision."""
        if self._deliveries:
            count = len(assignments)
            self._noted.append(_Event(lambda callback: callback.on_assignments(assignments), count, decision=True))

    def proposed(self, proposal: Proposal) -> None:
        """Notes a proposal."""
        if self._deliveries:
            self._noted.append(_Event(lambda callback: callback.on_proposal(proposal), 1, decision=True))

    def received(self, updates: Updates) -> None:
        """Notes reports and outcomes."""
        if not self._deliveries:
            return
        reports, outcomes = updates.reports, updates.outcomes
        if len(reports):
            self._noted.append(_Event(lambda callback: callback.on_reports(reports), len(reports)))
        if outcomes:
            self._noted.append(_Event(lambda callback: callback.on_outcomes(outcomes), len(outcomes)))

    def decisions_are_durable(self) -> None:
        """Tells the decisions and proposals that were noted so far; reports and outcomes stay."""
        if not self._deliveries:
            return
        told = [event for event in self._noted if event.decision]
        self._noted = [event for event in self._noted if not event.decision]
        self._tell(told)

    def all_is_durable(self) -> None:
        """Tells everything that was noted so far."""
        if not self._deliveries:
            return
        told, self._noted = self._noted, []
        self._tell(told)

    def close(self, reason: StopReason | None = None) -> None:
        """Tells that the run has ended and waits some seconds until all is told; closing again does nothing.

        Other events that are not durable are never told, and the end is not told where the beginning was not.

        Args:
            reason: The reason why it ended; None where an error broke it off.
        """
        if self._start not in self._noted:
            self._tell([_Event(lambda callback: callback.on_run_end(reason), 1)])
        deadline = time.monotonic() + (_SHORT_PATIENCE_S if reason is None else _PATIENCE_S)
        for delivery in self._deliveries:
            delivery.end()
        for delivery in self._deliveries:
            delivery.join(deadline)
        self._deliveries, self._noted = [], []

    def _tell(self, events: Sequence[_Event]) -> None:
        for event in events:
            for delivery in self._deliveries:
                delivery.put(event)
        if any(delivery.dropped for delivery in self._deliveries):
            self._deliveries = [delivery for delivery in self._deliveries if not delivery.dropped]


class _Delivery:
    """The queue of one callback and the thread that empties it; both are gone once the callback is dropped."""

    def __init__(self, callback: Callback, most: int) -> None:
        self._callback, self._most = callback, most
        self._name = type(callback).__name__
        self._events: deque[_Event] = deque()
        self._items = 0
        self._ended = False
        self.dropped = False
        """True where the callback is left out: it has raised, or is too far behind."""
        self._changed = Condition()
        self._thread = Thread(target=self._deliver, name=f"callback {self._name}", daemon=True)
        """Begun by the first event."""

    def put(self, event: _Event) -> None:
        """Queues an event; where too much waits already, the callback is dropped instead."""
        with self._changed:
            if self.dropped:
                return
            behind = self._items + event.items
            if not self._events or behind <= self._most:
                self._add(event)
                return
            self._drop()
        _logger.warning(
            "The callback %s is left out from here on, and the sweep goes on without it: %d reports, decisions and"
            " outcomes wait for it, and at most %d may.",
            self._name,
            behind,
            self._most,
        )

    def end(self) -> None:
        """Lets the thread end once it has delivered its queue."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def join(self, deadline: float) -> None:
        """Waits until all is delivered, or for a time on the monotonic clock; then the callback is dropped."""
        if self._thread.ident is None:
            return
        self._thread.join(max(0.0, deadline - time.monotonic()))
        with self._changed:
            if self.dropped or not self._thread.is_alive():
                return
            left = len(self._events)
            self._drop()
        _logger.warning("The callback %s is slow: the run has ended, and %d calls are not made.", self._name, left)

    def _add(self, event: _Event) -> None:
        self._events.append(event)
        self._items += event.items
        if self._thread.ident is None:
            self._thread.start()
        self._changed.notify_all()

    def _drop(self) -> None:
        self.dropped = True
        self._events.clear()
        self._items = 0
        self._changed.notify_all()

    def _deliver(self) -> None:
        while (event := self._next()) is not None:
            try:
                event.call(self._callback)
            except BaseException:
                self._failed()

    def _failed(self) -> None:
        with self._changed:
            if self.dropped:
                return
            self._drop()
        _logger.warning(
            "The callback %s raised and is left out from here on; the sweep goes on without it.",
            self._name,
            exc_info=True,
        )

    def _next(self) -> _Event | None:
        """The next event, once there is one; None where none will follow."""
        with self._changed:
            self._changed.wait_for(lambda: self._events or self._ended or self.dropped)
            if not self._events:
                return None
            event = self._events.popleft()
            self._items -= event.items
            return event
