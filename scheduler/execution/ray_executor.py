"""The Ray executor: a long-lived actor a worker, reports and outcomes in batches, promotions to where a trial is warm.

Each worker has one pending `poll` at a time. While the driver is busy a worker's next answer grows, so a sweep of
trivial trials moves in large batches and one of long trials in single outcomes, without a setting for it.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from math import ceil
from typing import Any

import ray
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RayTaskError,
)

from ..core.assignment import Assignment, OutcomeStatus, split_groups
from ..core.placement import WorkerKind
from ..core.proposal import Proposer, Request
from ..core.reports import ReportBatch
from ..errors import WorkerError
from .cluster import node_lives
from .deaths import death_reason
from .executor import Arrivals
from .proposals import Proposals
from .settings import EngineSettings
from .slots import Slot
from .watch import LATE, unanswered
from .worker import Answer
from .worker_maker import WorkerMaker

_AHEAD_S = 0.1
_AHEAD_MOST = 64
_POLL_S = 0.25
_CLOSE_S = 5.0
_STILLBORN_MOST = 10
_PATIENCE_S = 5.0
"""How much longer than a step may take the driver waits for the answer of a worker that should have seen to it."""
_LOST = (RayActorError, ObjectLostError, NodeDiedError, OutOfMemoryError)
"""What a worker's answer raises when the worker is gone; a long answer stays on its node and dies with it."""
_PROBE_S = 1.0
_DOUBT_S = 120.0
"""Ray needs a minute to notice that a node is gone; until then its workers are only out of reach."""


class RayExecutor:
    """Trains on Ray actors; Ray must be initialised.

    Args:
        settings: What every worker is told.
        kinds: The kinds of workers, each with its number.
        proposer: Makes the proposals, in this process; None leaves all points to the controller's design.
    """

    def __init__(self, settings: EngineSettings, kinds: Sequence[WorkerKind], proposer: Proposer | None = None) -> None:
        self._proposals, self._told = Proposals(proposer), settings
        self._makers = [WorkerMaker(kind, settings) for kind in kinds]
        count = sum(kind.count or 1 for kind in kinds)
        self._slots: dict[Any, Slot] = {}
        """The slots by their pending poll."""
        self._home: dict[int, Any] = {}
        """The actor in whose memory a trial was last."""
        self._seconds: float | None = None
        """A moving average of the time that a group takes."""
        self._poll_s = _POLL_S + count / 200
        self._closing = False
        self._stillborn = 0
        """Workers in a row that died before they answered once."""
        self._doubted: list[Slot] = []
        """Workers out of reach that are to be asked again soon."""
        for place, kind in enumerate(kinds):
            for _ in range(kind.count or 1):
                self._add_worker(place)

    @property
    def workers(self) -> int:
        """Workers that have answered."""
        return sum(slot.ready for slot in self._slots.values())

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return time.monotonic()

    def capacity(self) -> int:
        """Room in the workers' queues, which are longer than one only where groups take under 0.1 s."""
        if self._closing:
            return 0
        ahead = self._ahead()
        return sum(max(0, ahead - len(slot.work)) for slot in self._slots.values() if slot.ready)

    def idle(self) -> bool:
        """Whether a worker that is ready has nothing to do."""
        return any(slot.ready and not slot.work for slot in self._slots.values())

    def start(self, assignments: Sequence[Assignment]) -> None:
        """Sends each group to the worker that holds most of its trials, unless another one is waiting for work."""
        ready = [slot for slot in self._slots.values() if slot.ready]
        batches: dict[Any, list[list[Assignment]]] = defaultdict(list)
        for group in split_groups(assignments):
            slot = self._choose(ready, group)
            slot.give(group)
            self._home.update((assignment.trial, slot.actor) for assignment in group)
            batches[slot.actor].append(group)
        for actor, batch in batches.items():
            slot = next(slot for slot in ready if slot.actor is actor)
            actor.submit.remote(slot.sent, batch)
            slot.sent += 1

    def ask(self, request: Request) -> None:
        """Begins to make a proposal in a thread of this process."""
        self._proposals.ask(request)

    def wait(self, timeout: float) -> Arrivals:
        """Waits for the first answer and takes all that are there."""
        self._probe()
        polls = list(self._slots)
        ready, _ = ray.wait(polls, timeout=timeout, fetch_local=True)
        if ready:
            ready, _ = ray.wait(polls, num_returns=len(polls), timeout=0, fetch_local=True)
        arrivals = [self._take(poll) for poll in ready]
        arrivals += [self._give_up(poll) for poll in self._unanswered()]
        reports = ReportBatch.concatenate([arrived.reports for arrived in arrivals if len(arrived.reports)])
        outcomes = [outcome for arrived in arrivals for outcome in arrived.outcomes]
        waiting = next((slot.waiting for slot in self._slots.values() if slot.waiting is not None), None)
        return Arrivals(reports, outcomes, self._proposals.take(), waiting)

    def group_size(self, assignments: Sequence[Assignment]) -> int:
        """How many trials of a lane to train together, measured by one of the workers.

        Args:
            assignments: Trials that can be trained together.

        Raises:
            WorkerError: The worker dies, or the training code raises.
        """
        slot = next(iter(self._slots.values()))
        try:
            size: int = ray.get(slot.actor.group_size.remote(assignments, self._makers[slot.kind].share))
        except RayTaskError as error:
            raise WorkerError(f"{type(error.cause).__name__}: {error.cause}") from error
        except RayActorError as error:
            raise WorkerError(_first_line(error)) from error
        return size

    def cancel(self) -> None:
        """Pauses every worker."""
        self._closing = True
        for slot in self._slots.values():
            slot.actor.pause.remote()

    def close(self) -> None:
        """Lets workers without work close their trials, and others start up, for a few seconds, and kills them all."""
        self._closing = True
        self._proposals.close()
        closing = [slot.actor.close.remote(_CLOSE_S) for slot in self._slots.values() if slot.ready and not slot.work]
        # Of an actor that is killed while Ray creates it, Ray may keep the CPU until the job ends.
        closing += [poll for poll, slot in self._slots.items() if not slot.ready]
        if closing:
            ray.wait(closing, num_returns=len(closing), timeout=_CLOSE_S)
        for slot in (*self._slots.values(), *self._doubted):
            self._end(slot)
        for maker in self._makers:
            maker.close()
        self._slots.clear()
        self._doubted.clear()

    def _add_worker(self, kind: int) -> None:
        actor = self._makers[kind].make()
        self._slots[actor.poll.remote(0.0)] = Slot(actor, self.now(), kind)

    def _ahead(self) -> int:
        if self._seconds is None or self._seconds >= _AHEAD_S:
            return 1
        return min(_AHEAD_MOST, ceil(_AHEAD_S / max(self._seconds, 1e-6)))

    def _choose(self, ready: Sequence[Slot], group: Sequence[Assignment]) -> Slot:
        least = min(ready, key=lambda slot: len(slot.work))
        homes = Counter(self._home.get(assignment.trial) for assignment in group)
        home = homes.most_common(1)[0][0]
        at_home = next((slot for slot in ready if slot.actor is home), None)
        if at_home is None or len(at_home.work) > len(least.work) + self._ahead() - 1:
            return least
        return at_home

    def _take(self, poll: Any) -> Arrivals:
        slot = self._slots.pop(poll)
        try:
            answer: Answer = ray.get(poll)
        except _LOST as error:
            return self._bury(slot, error)
        except RayTaskError as error:
            raise WorkerError(f"A worker failed outside of training code: {error}") from error
        if slot.doubted is not None:
            return self._preempt(slot, "The worker was out of reach for a while.")
        slot.node, self._stillborn = answer.node, 0
        slot.waiting = answer.waiting
        arrived = slot.fence(answer.reports, answer.outcomes)
        self._note(slot, arrived)
        if answer.stuck:
            self._replace(slot)
            return Arrivals(arrived.reports, [*arrived.outcomes, *slot.unbegun()])
        slot.asked = self.now()
        self._slots[slot.actor.poll.remote(self._poll_s)] = slot
        return arrived

    def _note(self, slot: Slot, arrived: Arrivals) -> None:
        """Keeps track of what the worker still has to do and how long it takes."""
        seconds = 0.0
        for outcome in arrived.outcomes:
            seconds += outcome.elapsed_s
            if slot.end(outcome.trial):
                self._seconds = seconds if self._seconds is None else 0.8 * self._seconds + 0.2 * seconds
                seconds = 0.0

    def _bury(self, slot: Slot, error: RayError) -> Arrivals:
        """What becomes of the work of a worker that is gone: it failed, unless the worker was lost with its node."""
        if isinstance(error, ActorDiedError) and error.actor_init_failed:
            raise WorkerError(f"A worker could not be started: {error}") from error
        self._stillborn += not slot.ready
        if self._stillborn > _STILLBORN_MOST:
            raise WorkerError(
                f"{self._stillborn} workers in a row died before they answered; if the cluster runs without token"
                f" authentication, set RAY_AUTH_MODE=disabled here too: {_first_line(error)}"
            ) from error
        if slot.work and self._is_doubtful(slot, error):
            return self._doubt(slot)
        if slot.work and _lost_with_node(slot, error):
            return self._preempt(slot, f"The worker was lost with its node: {_first_line(error)}")
        self._replace(slot)
        lost = slot.lost(OutcomeStatus.FAILED, death_reason(str(error)), self._told.rules)
        return Arrivals(ReportBatch.empty(), lost)

    def _preempt(self, slot: Slot, reason: str) -> Arrivals:
        self._replace(slot)
        return Arrivals(ReportBatch.empty(), slot.lost(OutcomeStatus.PREEMPTED, reason))

    def _is_doubtful(self, slot: Slot, error: RayError) -> bool:
        """Whether it is not known yet if the process died, its node, or neither."""
        if self._closing or not isinstance(error, ActorUnavailableError | ObjectLostError):
            return False
        since = self.now() if slot.doubted is None else slot.doubted
        return node_lives(slot.node or "") and self.now() - since < _DOUBT_S

    def _doubt(self, slot: Slot) -> Arrivals:
        """Keeps a worker that is out of reach until it is known what happened to it; another takes its place."""
        if slot.doubted is None:
            slot.doubted = self.now()
            self._add_worker(slot.kind)
        slot.asked = self.now()
        self._doubted.append(slot)
        return Arrivals(ReportBatch.empty(), [])

    def _probe(self) -> None:
        """Asks workers again that are out of reach."""
        due = [slot for slot in self._doubted if self.now() - slot.asked >= _PROBE_S]
        for slot in due:
            self._doubted.remove(slot)
            self._slots[slot.actor.poll.remote(0.0)] = slot

    def _unanswered(self) -> list[Any]:
        """The polls of workers that train and have not answered for longer than a step may take."""
        if self._told.patience_s is None:
            return []
        since = self.now() - self._poll_s - LATE * self._told.patience_s - _PATIENCE_S
        return [poll for poll, slot in self._slots.items() if slot.ready and slot.work and slot.asked < since]

    def _give_up(self, poll: Any) -> Arrivals:
        slot = self._slots.pop(poll)
        self._replace(slot)
        reason = unanswered(self._told, next(iter(next(iter(slot.work.values())))))
        return Arrivals(ReportBatch.empty(), slot.lost(OutcomeStatus.FAILED, reason, self._told.rules))

    def _replace(self, slot: Slot) -> None:
        """Starts a new worker for one that is given up, unless that has happened."""
        if not self._closing and slot.doubted is None:
            self._add_worker(slot.kind)
        # It may be alive and only out of reach: it must not go on with work that another worker is given.
        self._end(slot)

    def _end(self, slot: Slot) -> None:
        self._makers[slot.kind].end(slot.actor)


def _lost_with_node(slot: Slot, error: RayError) -> bool:
    """Whether Ray says so, the node is dead, or the worker stays out of reach."""
    if isinstance(error, NodeDiedError | ActorUnavailableError | ObjectLostError):
        return True
    if isinstance(error, RayActorError) and error.preempted:
        return True
    return slot.node is not None and not node_lives(slot.node)


def _first_line(error: Exception) -> str:
    """What Ray says first; the rest is advice on Ray."""
    return str(error).strip().split("\n", 1)[0]
