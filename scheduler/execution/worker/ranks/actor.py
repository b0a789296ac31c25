"""A worker: a Ray actor that trains in one thread and answers the driver in another."""

import os
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Any

import ray
from ray.exceptions import RayActorError

from ....core.trials.assignment import Assignment, Outcome
from ....core.trials.reports import ReportBatch
from ..engine import Engine
from ..report_queue import MANY_REPORTS, ReportQueue
from .actor_settings import ActorSettings
from .group import RankGroup
from .handle import RankHandle, gather

_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class PollReply:
    """The reply of a worker to a poll.

    Attributes:
        reports: All reports since the last answer, including every report of the assignments in `outcomes`.
        outcomes: The assignments that have ended.
        node: The id of the worker's node.
        nodes: The ids of the nodes of all its processes.
        stuck: True where a step takes too long, or the processes of the worker have lost each other: it trains nothing
            any more and is to be replaced.
            waiting: A sentence on the storage for which the running group waits; None while it does not wait.
    """

    reports: ReportBatch
    outcomes: Sequence[Outcome]
    node: str
    nodes: frozenset[str]
    stuck: bool
    waiting: str | None


class Worker:
    """Trains groups of assignments in the order in which they are submitted.

    Args:
        settings: The settings that the worker is started with.
        processes: The actors in which its trials are trained as well, if it has several processes; this is rank 0 then.
    """

    def __init__(self, settings: ActorSettings, processes: Sequence[Any] = ()) -> None:
        handles = _gathered(processes, settings)
        engine = settings.opened()
        self._reports = ReportQueue()
        self._engine = Engine(engine, self._reports, RankGroup(engine, handles) if handles else None)
        self._node = ray.get_runtime_context().get_node_id()
        self._nodes = frozenset([self._node, *(handle.node for handle in handles)])
        self._queue: deque[Sequence[Assignment] | None] = deque()
        self._early: dict[int, Sequence[Sequence[Assignment]]] = {}
        """Groups that arrived before their turn, by the number of their call."""
        self._submitted = 0
        self._outcomes: deque[Outcome] = deque()
        self._trains = False
        """True while a group is trained whose outcomes are not there yet."""
        self._crash: BaseException | None = None
        self._changed = Condition()
        self._thread = Thread(target=self._work, name="training", daemon=True)
        self._thread.start()

    def submit(self, number: int, groups: Sequence[Sequence[Assignment]]) -> None:
        """Queues groups of assignments.

        Args:
            number: The number of calls before this one: two calls may arrive in the wrong order, and the driver takes
                the oldest group for the one that is trained.
            groups: The groups.
        """
        with self._changed:
            self._early[number] = groups
            while self._submitted in self._early:
                self._queue.extend(self._early.pop(self._submitted))
                self._submitted += 1
            self._changed.notify_all()

    def poll(self, timeout: float) -> PollReply:
        """The news since the last call: after the timeout, or as soon as work ends or reports pile up.

        Args:
            timeout: Seconds to wait at most.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while not self._outcomes and self._crash is None and len(self._reports) < MANY_REPORTS:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(min(left, _LOOK_S) if len(self._reports) else left)
            # Outcomes first: the reports of an assignment are queued before its outcome.
            outcomes = [self._outcomes.popleft() for _ in range(len(self._outcomes))]
            if self._crash is not None and not outcomes:
                raise self._crash
        late = self._engine.overdue()
        stuck = bool(late) or self._is_over()
        outcomes += late
        return PollReply(self._reports.drain(), outcomes, self._node, self._nodes, stuck, self._engine.waiting)

    def group_size(self, assignments: Sequence[Assignment], share: float) -> int:
        """Number of trials to train together; see `Engine.group_size`. Called before any work is submitted."""
        return self._engine.group_size(assignments, share)

    def pause(self) -> None:
        """Ends the running group after its step, and every later one before its first."""
        self._engine.pause()

    def close(self, timeout: float) -> None:
        """Closes the open trials, after the work that is queued, and waits for it.

        Args:
            timeout: Seconds to wait at most.
        """
        with self._changed:
            self._queue.append(None)
            self._changed.notify_all()
        self._thread.join(timeout)

    def _is_over(self) -> bool:
        """True once nothing can be trained any more and the driver knows all that was."""
        with self._changed:
            return not self._trains and not self._outcomes and self._engine.broken

    def _work(self) -> None:
        try:
            self._train()
        except BaseException as error:  # a thread that ends silently would leave the sweep waiting
            with self._changed:
                self._crash = error
                self._changed.notify_all()

    def _train(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue)
                group = self._queue.popleft()
                self._trains = group is not None and not self._engine.broken
            if group is None:
                self._engine.close()
                return
            if not self._trains:
                return
            outcomes = self._engine.run(group)
            with self._changed:
                self._trains = False
                self._outcomes.extend(outcomes)
                self._changed.notify_all()


def _gathered(processes: Sequence[Any], settings: ActorSettings) -> Sequence[RankHandle]:
    """The other processes of this worker; where one of them is lost already, this one ends and all are replaced."""
    try:
        return gather(processes, settings) if processes else ()
    except RayActorError:
        os._exit(1)
