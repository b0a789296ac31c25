"""The workers of a sweep on Ray: those there, those wanted, and the way from the one to the other."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from time import monotonic
from typing import Any

import ray
from ray.exceptions import RayError

from ...core.placement.autoscaling import (
    Node,
    additions,
    fits,
    most_on_a_node,
    taken_from,
    worker_targets,
    workers_to_evict,
)
from ...core.placement.kinds import KindIndices, WorkerKind
from ..cluster.nodes import ask_for, draining_nodes, is_own_ray, nodes, placed_actors
from ..worker.settings import TrainingSettings
from .handle import WorkerHandle
from .launcher import WorkerLauncher
from .shortage import Shortage

_logger = logging.getLogger(__name__)

_LOOK_S = 1.0
_SPARE_S = 30.0
"""Seconds for which fewer workers must have been wanted before any end."""
_PLACELESS_S = 5.0
"""Seconds that a worker may have no place before it may be ended."""
_STARVED_S = 1.0
"""Seconds that a worker must have been idle to make room for one of another kind, for which work waits."""
_PROBE_S = 1.0
_CLOSE_S = 5.0


class WorkerPool:
    """The workers of a sweep; Ray must be initialised.

    Args:
        kinds: The kinds of workers.
        settings: The settings of every worker.
        gone: Called with the number of each worker that has ended.
    """

    def __init__(self, kinds: Sequence[WorkerKind], settings: TrainingSettings, gone: Callable[[int], None]) -> None:
        self._kinds, self._gone = kinds, gone
        self._launchers = [WorkerLauncher(kind, settings) for kind in kinds]
        self._own = is_own_ray()
        self.handles: dict[Any, WorkerHandle] = {}
        """The handles by their pending poll."""
        self._doubted: list[WorkerHandle] = []
        """Workers out of reach that are to be asked again soon."""
        self.closing = False
        """True where no worker takes the place of another any more."""
        self._made = 0
        self._looked: float | None = None
        self._wanted: deque[tuple[float, Sequence[int]]] = deque()
        """Numbers of workers of each kind that were wanted of late, each with its time."""
        self._asked: Sequence[int] | None = None
        """The number of each kind that the autoscaler was asked for last."""
        self._shortage = Shortage(kinds)

    @property
    def open(self) -> list[WorkerHandle]:
        """The workers that take work."""
        return [handle for handle in self.handles.values() if handle.open]

    @property
    def due(self) -> bool:
        """True where it is time to look after the workers."""
        return self._looked is None or monotonic() - self._looked >= _LOOK_S

    def look(self, classes: Mapping[KindIndices, int], waiting: Mapping[KindIndices, int], *, certain: bool) -> None:
        """Makes and ends workers so that there are as many as there is work and room for.

        Args:
            classes: The groups that could be trained at the same time, by the kinds of workers that suit them.
            waiting: The groups that wait for a worker.
            certain: True where these are what the sweep needs; nobody is asked for room otherwise, and nobody ends.
        """
        self._looked = monotonic()
        self._find_placed()
        if not self._own:
            self._leave_draining()
        targets = worker_targets(self._kinds, classes, self._counts(lambda handle: handle.open))
        there = self._nodes()
        if certain and not self._own:
            self._ask(targets.asked)
            self._end_spare(targets.wanted)
            self._end_placeless(targets.wanted, there)
        self._start(targets.wanted, there)
        self._make_room(waiting, there)
        if not self._own:
            self._shortage.note(targets.wanted, self._counts(_has_room), there)

    def first_of(self, kind: int) -> tuple[WorkerHandle, float]:
        """A worker of a kind, which is started if there is none, and the share of its device that each may use."""
        if not any(handle.kind == kind for handle in self.handles.values()):
            self.add(kind, roomless=not fits(self._kinds[kind], nodes()))
        handle, needs = next(handle for handle in self.handles.values() if handle.kind == kind), self._kinds[kind]
        return handle, min(1.0, needs.gpu) if needs.gpu else 1 / max(1, most_on_a_node(needs, nodes()))

    def note_wait(self, kind: int) -> None:
        """Says once that nothing in the cluster has room for a worker of a kind, while somebody waits for it."""
        self._find_placed()
        wanted = [int(kind == one) for one in range(len(self._kinds))]
        self._shortage.note(wanted, self._counts(_has_room), nodes())

    def add(self, kind: int, *, roomless: bool = False) -> None:
        """Starts a worker."""
        actor, now = self._launchers[kind].launch(), monotonic()
        self.handles[actor.poll.remote(0.0)] = WorkerHandle(actor, now, self._made, kind, now, roomless)
        self._made += 1

    def replace(self, handle: WorkerHandle) -> None:
        """Ends a worker that is given up and starts another; on a cluster where there is room, so a little later."""
        if handle.doubted is None:
            if self._own and not self.closing:
                self.add(handle.kind)
            self._looked = None
        # It may be alive and only out of reach: it must not go on with work that another worker is given.
        self.end(handle)

    def doubt(self, handle: WorkerHandle) -> None:
        """Keeps a worker that is out of reach until its fate is known; another takes its place."""
        if handle.doubted is None:
            handle.doubted, self._looked = monotonic(), None
            if self._own:
                self.add(handle.kind)
        handle.asked = monotonic()
        self._doubted.append(handle)

    def probe(self) -> None:
        """Asks workers again that are out of reach."""
        for handle in [handle for handle in self._doubted if monotonic() - handle.asked >= _PROBE_S]:
            self._doubted.remove(handle)
            self.handles[handle.actor.poll.remote(0.0)] = handle

    def poll_again(self, handle: WorkerHandle) -> None:
        """Goes on with a worker that has answered, unless it was only waited for to end."""
        if handle.leaving and not handle.work:
            self.end(handle)
            return
        handle.asked = monotonic()
        # Where there are many workers, each answers less often and more at once.
        self.handles[handle.actor.poll.remote(self.poll_s)] = handle

    @property
    def poll_s(self) -> float:
        """Seconds that a worker waits with its answer, where nothing happens."""
        return 0.25 + len(self.handles) / 200

    def end(self, handle: WorkerHandle) -> None:
        """Ends a worker now, whatever it does."""
        self.handles = {poll: one for poll, one in self.handles.items() if one is not handle}
        if not self.closing:
            self._gone(handle.number)
        self._launchers[handle.kind].end(handle.actor)

    def close(self) -> None:
        """Lets workers without work close their trials, and others start up, for a few seconds, and ends them all."""
        if self._asked is not None:
            with suppress(RayError, OSError, RuntimeError):  # the cluster may be gone
                ask_for((), ())
        closing = [
            handle.actor.close.remote(_CLOSE_S) for handle in self.handles.values() if handle.ready and not handle.work
        ]
        # Where an actor is killed while Ray creates it, Ray may keep its CPU until the job ends.
        self._find_placed()
        closing += [poll for poll, handle in self.handles.items() if not handle.ready and handle.placed]
        if closing:
            ray.wait(closing, num_returns=len(closing), timeout=_CLOSE_S)
        for handle in (*self.handles.values(), *self._doubted):
            self.end(handle)
        for launcher in self._launchers:
            launcher.close()
        self._doubted.clear()

    def _find_placed(self) -> None:
        """Takes note of which workers have a place: Ray is asked once for all of them."""
        unknown = [handle for handle in self.handles.values() if not handle.placed]
        there = placed_actors() if unknown else frozenset()
        for handle in unknown:
            handle.begun = handle.actor._actor_id.hex() in there

    def _counts(self, which: Callable[[WorkerHandle], bool]) -> list[int]:
        """Number of such workers of each kind, among those that stay."""
        counts = Counter(handle.kind for handle in self.handles.values() if not handle.leaving and which(handle))
        return [counts[kind] for kind in range(len(self._kinds))]

    def _nodes(self) -> list[Node]:
        """The nodes; on our own Ray the free room follows from the workers at once, as Ray's numbers come later."""
        there = nodes()
        if not self._own or len(there) != 1:
            return there
        there = [replace(node, free=node.total) for node in there]
        for handle in (*self.handles.values(), *self._doubted):
            if handle.placed:
                there = taken_from(there, there[0].name, self._kinds[handle.kind])
        return there

    def _start(self, wanted: Sequence[int], there: Sequence[Node]) -> None:
        """Starts workers where there is room, and one of each wanted kind in any case, for Ray to find room for."""
        pending = self._counts(lambda handle: not handle.ready)
        ready = self._counts(lambda handle: handle.ready)
        more = additions(self._kinds, wanted, ready, there)
        for kind in range(len(self._kinds)):
            for _ in range(more[kind] - pending[kind]):
                self.add(kind)
            if wanted[kind] and not ready[kind] + pending[kind] + more[kind]:
                self.add(kind, roomless=True)

    def _leave_draining(self) -> None:
        """Takes the work back from workers whose nodes are going away: running steps end and are saved."""
        going = draining_nodes()
        for handle in self.open:
            if leaving := handle.nodes & going:
                _logger.info("Node %s is going away: worker %d ends.", min(leaving), handle.number)
                handle.leaving = True
                if handle.work:
                    handle.actor.pause.remote()
                else:
                    self.end(handle)

    def _end_spare(self, wanted: Sequence[int]) -> None:
        """Ends workers that have nothing to do where fewer have been wanted for a while."""
        now = monotonic()
        self._wanted.append((now, wanted))
        while len(self._wanted) > 1 and now - self._wanted[1][0] >= _SPARE_S:
            self._wanted.popleft()
        if now - self._wanted[0][0] < _SPARE_S:
            return
        busy = Counter(handle.node for handle in self.handles.values() if handle.work)
        for kind, have in enumerate(self._counts(lambda handle: True)):
            spare = have - max(counts[kind] for _, counts in self._wanted)
            idle = [handle for handle in self.open if handle.kind == kind and not handle.work]
            for handle in sorted(idle, key=lambda handle: busy[handle.node])[: max(0, spare)]:
                self.end(handle)

    def _end_placeless(self, wanted: Sequence[int], there: Sequence[Node]) -> None:
        """Ends workers that no node can hold any more, but for one of a kind that is wanted and has no other."""
        since, whole = monotonic() - _PLACELESS_S, [replace(node, free=node.total) for node in there]
        for kind, ready in enumerate(self._counts(lambda handle: handle.ready)):
            pending = [handle for handle in self.handles.values() if handle.kind == kind and not handle.ready]
            waiting = [handle for handle in pending if handle.asked < since and not handle.placed]
            (hold,) = additions([self._kinds[kind]], [ready + len(pending)], [0], whole) if waiting else (0,)
            keep = max(hold, 1) if wanted[kind] else 0
            for handle in waiting[: max(0, ready + len(pending) - keep)]:
                self.end(handle)

    def _make_room(self, waiting: Mapping[KindIndices, int], there: Sequence[Node]) -> None:
        """Ends idle workers where work waits for a kind that has no worker, nor room for one beside them."""
        placed = {handle.kind for handle in self.handles.values() if handle.placed}
        for kinds in waiting:
            if placed & set(kinds):
                continue
            since = monotonic() - _STARVED_S
            idle = [handle for handle in self.open if not handle.work and handle.idle_since <= since]
            evicted = workers_to_evict(
                self._kinds[kinds[0]], [(one.node, self._kinds[one.kind]) for one in idle], there
            )
            for place in evicted or ():
                self.end(idle[place])
            return

    def _ask(self, asked: Sequence[int]) -> None:
        if asked != self._asked:
            ask_for(self._kinds, asked)
            self._asked = asked


def _has_room(handle: WorkerHandle) -> bool:
    """True where it has a place, or could have had one when it was started: to start takes a while."""
    return not handle.roomless or handle.placed
