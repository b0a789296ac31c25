"""The Ray executor: a long-lived actor a worker, reports and outcomes in batches, promotions to where a trial is warm.

Each worker has one pending `poll` at a time. While the driver is busy a worker's next answer grows, so a sweep of
trivial trials moves in large batches and one of long trials in single outcomes, without a setting for it.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from ...core.placement.autoscaling import expected
from ...core.placement.dispatch_queue import DispatchQueue, WorkerLoad, parted
from ...core.placement.kinds import KindIndices, WorkerKind, eligible_kinds
from ...core.proposers.proposal import Proposer, Request
from ...core.trials.assignment import Assignment, ErrorAction, Outcome, OutcomeStatus, split_groups, unbegun
from ...core.trials.reports import ReportBatch
from ...errors import WorkerError
from ..executor import IDLE_SHARE, Updates
from ..proposals import Proposals
from ..worker.ranks.actor import PollReply
from ..worker.settings import TrainingSettings
from .failures import LOST, WorkerFailures, first_line
from .handle import WorkerHandle
from .pool import WorkerPool

_AHEAD_S = 0.1
_AHEAD_MOST = 64
_UNKNOWN = 1000
"""Groups that count as possible at the same time until the loop gives their number."""
_MEASURE_S = 1.0
_GATHER_S = 2e-5
"""Seconds a worker that the first answer waits for others: 0.02 s where there are a thousand workers."""


class RayExecutor:
    """Trains on Ray actors; Ray must be initialised.

    Args:
        settings: The settings of every worker.
        kinds: The kinds of workers, each with its number.
        proposer: Makes the proposals, in this process; None leaves all points to the controller's design.
    """

    def __init__(
        self, settings: TrainingSettings, kinds: Sequence[WorkerKind], proposer: Proposer | None = None
    ) -> None:
        self._proposals, self._told, self._kinds = Proposals(proposer), settings, kinds
        self._queue = DispatchQueue()
        self._pool = WorkerPool(kinds, settings, self._queue.forget)
        self._seconds: float | None = None
        """A moving average of the time that a group takes."""
        self._failures = WorkerFailures(self._pool, settings)
        self._demand: int | None = None
        """Number of groups that could be trained at the same time, once somebody has said."""
        self._ended: list[Outcome] = []
        """Outcomes of work that never got to a worker."""

    @property
    def workers(self) -> int:
        """Workers that have answered."""
        return sum(handle.ready for handle in self._pool.handles.values())

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return time.monotonic()

    def capacity(self) -> int:
        """Room in the workers' queues, which are longer than one only where groups take under 0.1 s."""
        return 0 if self._pool.closing else self._queue.room(self._loads())

    def idle(self) -> bool:
        """True where a worker has nothing to do and could be given work; of many, more than `IDLE_SHARE` of them."""
        there = self._pool.open
        idle = sum(not handle.work for handle in there)
        return idle > IDLE_SHARE * len(there) and self.capacity() > 0

    def start(self, assignments: Sequence[Assignment]) -> None:
        """Gives each group to a worker that suits it; where none has room, the group waits here."""
        for group in split_groups(assignments):
            for kinds, part in parted(self._kinds, group):
                if kinds:
                    self._queue.add(part, kinds)
                else:
                    self._ended += map(_unsuited, part)
        self._hand_out()

    def ask(self, request: Request) -> None:
        """Begins to make a proposal in a thread of this process."""
        self._proposals.ask(request)

    def scale(self, demand: Callable[[], int]) -> None:
        """Makes and ends workers, once a second, as the work asks for them and the cluster has room."""
        if self._pool.due and not self._pool.closing:
            self._demand = demand()
            self._look()

    def wait(self, timeout: float) -> Updates:
        """Waits for the first answer and takes all that are there."""
        self._pool.probe()
        if self._pool.due and not self._pool.closing:
            self._look()
        self._hand_out()
        updates = [self._receive(poll) for poll in self._answered(0.0 if self._ended else timeout)]
        reports = ReportBatch.concatenate([update.reports for update in updates if len(update.reports)])
        outcomes = [*self._ended, *(outcome for update in updates for outcome in update.outcomes)]
        outcomes += [outcome for poll in self._failures.unanswered() for outcome in self._failures.give_up(poll)]
        self._ended = []
        self._hand_out()
        waiting = next((handle.waiting for handle in self._pool.handles.values() if handle.waiting is not None), None)
        return Updates(reports, outcomes, self._proposals.drain(), waiting)

    def group_size(self, assignments: Sequence[Assignment]) -> int:
        """Number of trials of a lane to train together, measured by a worker of the first kind that suits them.

        Args:
            assignments: Trials that can be trained together.

        Raises:
            WorkerError: The worker dies, or the training code raises.
        """
        kind = next(iter(eligible_kinds(self._kinds, [work.config for work in assignments])), 0)
        handle, share = self._pool.first_of(kind)
        reply = handle.actor.group_size.remote(assignments, share)
        while not ray.wait([reply], timeout=_MEASURE_S)[0]:
            self._pool.note_wait(kind)
        try:
            size: int = ray.get(reply)
        except RayTaskError as error:
            raise WorkerError(f"{type(error.cause).__name__}: {error.cause}") from error
        except RayActorError as error:
            raise WorkerError(first_line(error)) from error
        return size

    def cancel(self) -> None:
        """Pauses every worker, and takes back the work that waits for one."""
        self._pool.closing = True
        self._ended += map(unbegun, self._queue.clear())
        for handle in self._pool.handles.values():
            handle.actor.pause.remote()

    def close(self) -> None:
        """Lets workers without work close their trials, and others start up, for a few seconds, and ends them all."""
        self._pool.closing = True
        self._proposals.close()
        self._pool.close()

    def _look(self) -> None:
        at_work = Counter[KindIndices]()
        for handle in self._pool.handles.values():
            at_work[handle.kind,] += len(handle.work)
        waiting = self._queue.waiting
        known = at_work + Counter(waiting)
        demand = _UNKNOWN if self._demand is None else self._demand
        classes = expected(known, max(0, demand - known.total()), self._queue.seen, len(self._kinds))
        self._pool.look(classes, waiting, certain=self._demand is not None)

    def _ahead(self) -> int:
        if self._seconds is None or self._seconds >= _AHEAD_S:
            return 1
        return min(_AHEAD_MOST, ceil(_AHEAD_S / max(self._seconds, 1e-6)))

    def _loads(self) -> list[WorkerLoad]:
        ahead = self._ahead()
        return [
            WorkerLoad(handle.number, handle.kind, len(handle.work), max(0, ahead - len(handle.work)))
            for handle in self._pool.open
        ]

    def _hand_out(self) -> None:
        """Sends waiting groups to the workers that have room for them."""
        if self._pool.closing or not len(self._queue):
            return
        handles = {handle.number: handle for handle in self._pool.open}
        batches: dict[int, list[Sequence[Assignment]]] = defaultdict(list)
        for placement in self._queue.place(self._loads()):
            handles[placement.worker].give(placement.group)
            batches[placement.worker].append(placement.group)
        for worker, batch in batches.items():
            handles[worker].actor.submit.remote(handles[worker].sent, batch)
            handles[worker].sent += 1

    def _answered(self, timeout: float) -> list[Any]:
        polls = list(self._pool.handles)
        if not polls:
            time.sleep(timeout)
            return []
        ready, _ = ray.wait(polls, timeout=timeout, fetch_local=True)
        if ready:
            # Going through all workers costs the same for one answer as for many.
            time.sleep(len(polls) * _GATHER_S)
            ready, _ = ray.wait(polls, num_returns=len(polls), timeout=0, fetch_local=True)
        return list(ready)

    def _receive(self, poll: Any) -> Updates:
        handle = self._pool.handles.pop(poll)
        try:
            reply: PollReply = ray.get(poll)
        except LOST as error:
            return _without_reports(self._failures.handle_death(handle, error))
        except RayTaskError as error:
            raise WorkerError(f"A worker failed outside of training code: {error}") from error
        if handle.doubted is not None:
            return _without_reports(self._failures.preempt(handle, "The worker was out of reach for a while."))
        self._failures.answered()
        handle.node, handle.nodes, handle.waiting = reply.node, reply.nodes, reply.waiting
        update = handle.fence(reply.reports, reply.outcomes)
        self._note(handle, update)
        if reply.stuck:
            self._pool.replace(handle)
            return Updates(update.reports, [*update.outcomes, *handle.unbegun()])
        self._pool.poll_again(handle)
        return update

    def _note(self, handle: WorkerHandle, update: Updates) -> None:
        """Keeps track of the worker's open work and of the time that a group takes."""
        seconds = 0.0
        for outcome in update.outcomes:
            seconds += outcome.elapsed_s
            if handle.end(outcome.trial):
                self._seconds = seconds if self._seconds is None else 0.8 * self._seconds + 0.2 * seconds
                seconds, handle.idle_since = 0.0, self.now()


def _without_reports(outcomes: Sequence[Outcome]) -> Updates:
    return Updates(ReportBatch.empty(), outcomes)


def _unsuited(work: Assignment) -> Outcome:
    """The failure of work that suits no worker, which a second attempt would not mend."""
    error = f"workers: no kind of worker takes trial {work.trial}: its configuration satisfies the `when` of none."
    failed = OutcomeStatus.FAILED
    return Outcome(work.trial, work.rung, work.attempt, failed, work.start, None, 0.0, error, ErrorAction.FAIL)
