"""The workers of a sweep on Ray: which there are, which there should be, and how one becomes the other."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from time import monotonic
from typing import Any

import ray
from ray.exceptions import RayError

from ...core.placement.kinds import Suiting, WorkerKind
from ...core.placement.staffing import Node, additions, fits, most_on_a_node, room_makers, staffing, taken_from
from ..cluster.nodes import ask_for, draining_nodes, is_own_ray, nodes, placed_actors
from ..worker.settings import EngineSettings
from .handle import Slot
from .launcher import WorkerMaker
from .shortage import Shortage

_logger = logging.getLogger(__name__)

_LOOK_S = 1.0
_SPARE_S = 30.0
"""So long fewer workers must have been wanted before any end."""
_PLACELESS_S = 5.0
"""So long a worker may have no place before anything is made of it."""
_STARVED_S = 1.0
"""So long a worker must have been idle to make room for one of another kind, for which work waits."""
_PROBE_S = 1.0
_CLOSE_S = 5.0


class Fleet:
    """The workers of a sweep; Ray must be initialised.

    Args:
        kinds: The kinds of workers.
        settings: What every worker is told.
        gone: Called with the number of each worker that has ended.
    """

    def __init__(self, kinds: Sequence[WorkerKind], settings: EngineSettings, gone: Callable[[int], None]) -> None:
        self._kinds, self._gone = kinds, gone
        self._makers = [WorkerMaker(kind, settings) for kind in kinds]
        self._own = is_own_ray()
        self.slots: dict[Any, Slot] = {}
        """The slots by their pending poll."""
        self._doubted: list[Slot] = []
        """Workers out of reach that are to be asked again soon."""
        self.closing = False
        """Whether no worker takes the place of another any more."""
        self._made = 0
        self._looked: float | None = None
        self._wanted: deque[tuple[float, Sequence[int]]] = deque()
        """How many workers of each kind were wanted of late, and when."""
        self._asked: Sequence[int] | None = None
        """For how many of each kind the autoscaler was asked last."""
        self._shortage = Shortage(kinds)

    @property
    def open(self) -> list[Slot]:
        """The workers that take work."""
        return [slot for slot in self.slots.values() if slot.open]

    @property
    def due(self) -> bool:
        """Whether it is time to look after the workers."""
        return self._looked is None or monotonic() - self._looked >= _LOOK_S

    def look(self, classes: Mapping[Suiting, int], waiting: Mapping[Suiting, int], *, certain: bool) -> None:
        """Makes and ends workers so that there are as many as there is work and room for.

        Args:
            classes: The groups that could be trained at the same time, by the kinds of workers that suit them.
            waiting: The groups that wait for a worker.
            certain: Whether these are what the sweep needs; nobody is asked for room otherwise, and nobody ends.
        """
        self._looked = monotonic()
        self._find_placed()
        if not self._own:
            self._leave_draining()
        staff = staffing(self._kinds, classes, self._counts(lambda slot: slot.open))
        there = self._nodes()
        if certain and not self._own:
            self._ask(staff.asked)
            self._end_spare(staff.wanted)
            self._end_placeless(staff.wanted, there)
        self._start(staff.wanted, there)
        self._make_room(waiting, there)
        if not self._own:
            self._shortage.note(staff.wanted, self._counts(_has_room), there)

    def first_of(self, kind: int) -> tuple[Slot, float]:
        """A worker of a kind, which is started if there is none, and the share of its device that each may use."""
        if not any(slot.kind == kind for slot in self.slots.values()):
            self.add(kind, roomless=not fits(self._kinds[kind], nodes()))
        slot, of = next(slot for slot in self.slots.values() if slot.kind == kind), self._kinds[kind]
        return slot, min(1.0, of.gpu) if of.gpu else 1 / max(1, most_on_a_node(of, nodes()))

    def note_wait(self, kind: int) -> None:
        """Says once that nothing in the cluster has room for a worker of a kind, while somebody waits for it."""
        self._find_placed()
        wanted = [int(kind == one) for one in range(len(self._kinds))]
        self._shortage.note(wanted, self._counts(_has_room), nodes())

    def add(self, kind: int, *, roomless: bool = False) -> None:
        """Starts a worker."""
        actor, now = self._makers[kind].make(), monotonic()
        self.slots[actor.poll.remote(0.0)] = Slot(actor, now, self._made, kind, now, roomless)
        self._made += 1

    def replace(self, slot: Slot) -> None:
        """Ends a worker that is given up and starts another; on a cluster where there is room, so a little later."""
        if slot.doubted is None:
            if self._own and not self.closing:
                self.add(slot.kind)
            self._looked = None
        # It may be alive and only out of reach: it must not go on with work that another worker is given.
        self.end(slot)

    def doubt(self, slot: Slot) -> None:
        """Keeps a worker that is out of reach until it is known what happened to it; another takes its place."""
        if slot.doubted is None:
            slot.doubted, self._looked = monotonic(), None
            if self._own:
                self.add(slot.kind)
        slot.asked = monotonic()
        self._doubted.append(slot)

    def probe(self) -> None:
        """Asks workers again that are out of reach."""
        for slot in [slot for slot in self._doubted if monotonic() - slot.asked >= _PROBE_S]:
            self._doubted.remove(slot)
            self.slots[slot.actor.poll.remote(0.0)] = slot

    def poll_again(self, slot: Slot) -> None:
        """Goes on with a worker that has answered, unless it was only waited for to end."""
        if slot.leaving and not slot.work:
            self.end(slot)
            return
        slot.asked = monotonic()
        # Where there are many workers, each answers less often and more at once.
        self.slots[slot.actor.poll.remote(self.poll_s)] = slot

    @property
    def poll_s(self) -> float:
        """Seconds that a worker waits with its answer, where nothing happens."""
        return 0.25 + len(self.slots) / 200

    def end(self, slot: Slot) -> None:
        """Ends a worker now, whatever it does."""
        self.slots = {poll: one for poll, one in self.slots.items() if one is not slot}
        if not self.closing:
            self._gone(slot.number)
        self._makers[slot.kind].end(slot.actor)

    def close(self) -> None:
        """Lets workers without work close their trials, and others start up, for a few seconds, and ends them all."""
        if self._asked is not None:
            with suppress(RayError, OSError, RuntimeError):  # the cluster may be gone
                ask_for((), ())
        closing = [slot.actor.close.remote(_CLOSE_S) for slot in self.slots.values() if slot.ready and not slot.work]
        # Of an actor that is killed while Ray creates it, Ray may keep the CPU until the job ends.
        self._find_placed()
        closing += [poll for poll, slot in self.slots.items() if not slot.ready and slot.placed]
        if closing:
            ray.wait(closing, num_returns=len(closing), timeout=_CLOSE_S)
        for slot in (*self.slots.values(), *self._doubted):
            self.end(slot)
        for maker in self._makers:
            maker.close()
        self._doubted.clear()

    def _find_placed(self) -> None:
        """Takes note of which workers have a place: Ray is asked once for all of them."""
        unknown = [slot for slot in self.slots.values() if not slot.placed]
        there = placed_actors() if unknown else frozenset()
        for slot in unknown:
            slot.begun = slot.actor._actor_id.hex() in there

    def _counts(self, which: Callable[[Slot], bool]) -> list[int]:
        """How many workers of each kind are such, of those that stay."""
        counts = Counter(slot.kind for slot in self.slots.values() if not slot.leaving and which(slot))
        return [counts[kind] for kind in range(len(self._kinds))]

    def _nodes(self) -> list[Node]:
        """The nodes; what is free on one of our own follows from the workers at once, whatever Ray says yet."""
        there = nodes()
        if not self._own or len(there) != 1:
            return there
        there = [replace(node, free=node.total) for node in there]
        for slot in (*self.slots.values(), *self._doubted):
            if slot.placed:
                there = taken_from(there, there[0].name, self._kinds[slot.kind])
        return there

    def _start(self, wanted: Sequence[int], there: Sequence[Node]) -> None:
        """Starts workers where there is room, and one of each wanted kind in any case, for Ray to find room for."""
        pending = self._counts(lambda slot: not slot.ready)
        ready = self._counts(lambda slot: slot.ready)
        more = additions(self._kinds, wanted, ready, there)
        for kind in range(len(self._kinds)):
            for _ in range(more[kind] - pending[kind]):
                self.add(kind)
            if wanted[kind] and not ready[kind] + pending[kind] + more[kind]:
                self.add(kind, roomless=True)

    def _leave_draining(self) -> None:
        """Takes the work back from workers whose nodes are going away: running steps end and are saved."""
        going = draining_nodes()
        for slot in self.open:
            if leaving := slot.nodes & going:
                _logger.info("Node %s is going away: worker %d ends.", min(leaving), slot.number)
                slot.leaving = True
                if slot.work:
                    slot.actor.pause.remote()
                else:
                    self.end(slot)

    def _end_spare(self, wanted: Sequence[int]) -> None:
        """Ends workers that have nothing to do where fewer have been wanted for a while."""
        now = monotonic()
        self._wanted.append((now, wanted))
        while len(self._wanted) > 1 and now - self._wanted[1][0] >= _SPARE_S:
            self._wanted.popleft()
        if now - self._wanted[0][0] < _SPARE_S:
            return
        busy = Counter(slot.node for slot in self.slots.values() if slot.work)
        for kind, have in enumerate(self._counts(lambda slot: True)):
            spare = have - max(counts[kind] for _, counts in self._wanted)
            idle = [slot for slot in self.open if slot.kind == kind and not slot.work]
            for slot in sorted(idle, key=lambda slot: busy[slot.node])[: max(0, spare)]:
                self.end(slot)

    def _end_placeless(self, wanted: Sequence[int], there: Sequence[Node]) -> None:
        """Ends workers that no node can hold any more, but for one of a kind that is wanted and has no other."""
        since, whole = monotonic() - _PLACELESS_S, [replace(node, free=node.total) for node in there]
        for kind, ready in enumerate(self._counts(lambda slot: slot.ready)):
            pending = [slot for slot in self.slots.values() if slot.kind == kind and not slot.ready]
            waiting = [slot for slot in pending if slot.asked < since and not slot.placed]
            (hold,) = additions([self._kinds[kind]], [ready + len(pending)], [0], whole) if waiting else (0,)
            keep = max(hold, 1) if wanted[kind] else 0
            for slot in waiting[: max(0, ready + len(pending) - keep)]:
                self.end(slot)

    def _make_room(self, waiting: Mapping[Suiting, int], there: Sequence[Node]) -> None:
        """Ends idle workers where work waits for a kind that has no worker, nor room for one beside them."""
        placed = {slot.kind for slot in self.slots.values() if slot.placed}
        for kinds in waiting:
            if placed & set(kinds):
                continue
            since = monotonic() - _STARVED_S
            idle = [slot for slot in self.open if not slot.work and slot.idle_since <= since]
            makers = room_makers(self._kinds[kinds[0]], [(one.node, self._kinds[one.kind]) for one in idle], there)
            for place in makers or ():
                self.end(idle[place])
            return

    def _ask(self, asked: Sequence[int]) -> None:
        if asked != self._asked:
            ask_for(self._kinds, asked)
            self._asked = asked


def _has_room(slot: Slot) -> bool:
    """Whether it has a place, or could have had one when it was started: to start takes a while."""
    return not slot.roomless or slot.placed
