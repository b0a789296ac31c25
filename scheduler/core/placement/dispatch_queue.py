"""The worker that gets each group of trials, and the groups that wait because no worker that suits them has room."""

from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

from ..trials.assignment import Assignment
from .kinds import KindIndices, WorkerKind, eligible_kinds

Group = Sequence[Assignment]
_LEAST, _PER_WORKER = 64, 4
"""So many groups may wait, at least and a worker: the rest of the sweep may suit the workers that are free."""


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """A worker that takes work.

    Attributes:
        worker: Its number.
        kind: The place of its kind.
        assigned: Groups that it has and that have not ended.
        room: Groups that it takes on top of them, at least 0.
    """

    worker: int
    kind: int
    assigned: int
    room: int


@dataclass(frozen=True, slots=True)
class Placement:
    """A group and the number of the worker that is to train it."""

    worker: int
    group: Group


def parted(kinds: Sequence[WorkerKind], group: Group) -> list[tuple[KindIndices, Group]]:
    """A group with the kinds of workers that suit it; where none takes all of its trials, parts with theirs.

    Args:
        kinds: The kinds of workers.
        group: A group of assignments.
    """
    if whole := eligible_kinds(kinds, [work.config for work in group]):
        return [(whole, group)]
    parts: dict[KindIndices, list[Assignment]] = defaultdict(list)
    for work in group:
        parts[eligible_kinds(kinds, [work.config])].append(work)
    return [(suits, [replace(work, group=part[0].trial) for work in part]) for suits, part in parts.items()]


@dataclass(slots=True)
class _Candidate:
    load: WorkerLoad
    given: int = 0

    @property
    def assigned(self) -> int:
        return self.load.assigned + self.given

    @property
    def rank(self) -> tuple[int, int, int]:
        """Free workers before busy ones, then the kind that is preferred."""
        return self.assigned, self.load.kind, self.load.worker


@dataclass(slots=True)
class DispatchQueue:
    """Groups on their way to a worker; after `place` none waits that a worker with room suits.

    Attributes:
        home: The worker in whose memory a trial was last.
        seen: Number of groups so far that certain kinds of workers suit.
    """

    home: dict[int, int] = field(default_factory=dict)
    seen: Counter[KindIndices] = field(default_factory=Counter)
    _waiting: dict[KindIndices, deque[tuple[int, Group]]] = field(default_factory=lambda: defaultdict(deque))
    """By the kinds that suit them, oldest first, with their places in the order of all."""

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    @property
    def waiting(self) -> Mapping[KindIndices, int]:
        """Number of groups that wait, by the kinds of workers that suit them."""
        return {kinds: len(groups) for kinds, groups in self._waiting.items() if groups}

    def add(self, group: Group, kinds: KindIndices) -> None:
        """Takes a group that certain kinds of workers suit, at least one."""
        self._waiting[kinds].append((self.seen.total(), group))
        self.seen[kinds] += 1

    def room(self, loads: Sequence[WorkerLoad]) -> int:
        """Number of further groups that may be taken.

        They are as many as workers have room for, and not too many that have to wait.
        """
        return max(0, min(sum(load.room for load in loads), _LEAST + _PER_WORKER * len(loads) - len(self)))

    def place(self, loads: Sequence[WorkerLoad]) -> list[Placement]:
        """Gives what waits to the workers with room, oldest first.

        A group goes to the worker in whose memory most of its trials are, if that has room, else to one with the
        fewest groups, and of these to one of the kind that is preferred.
        """
        candidates = {load.worker: _Candidate(load) for load in loads if load.room}
        placements: list[Placement] = []
        while (kinds := self._next(candidates)) is not None:
            _, group = self._waiting[kinds].popleft()
            worker = self._choose(
                [candidate for candidate in candidates.values() if candidate.load.kind in kinds], group
            )
            placements.append(Placement(worker, group))
            self.home.update((assignment.trial, worker) for assignment in group)
            candidates[worker].given += 1
            if candidates[worker].given == candidates[worker].load.room:
                del candidates[worker]
        return placements

    def forget(self, worker: int) -> None:
        """Takes note that a worker is gone, and what it had in memory with it."""
        self.home = {trial: home for trial, home in self.home.items() if home != worker}

    def clear(self) -> list[Assignment]:
        """Gives back all that waits."""
        left = [assignment for groups in self._waiting.values() for _, group in groups for assignment in group]
        self._waiting.clear()
        return left

    def _next(self, candidates: Mapping[int, _Candidate]) -> KindIndices | None:
        """The kinds that suit the oldest group for which there is room."""
        free = {candidate.load.kind for candidate in candidates.values()}
        heads = [(groups[0][0], kinds) for kinds, groups in self._waiting.items() if groups and free & set(kinds)]
        return min(heads)[1] if heads else None

    def _choose(self, candidates: Sequence[_Candidate], group: Group) -> int:
        homes = Counter(self.home.get(assignment.trial) for assignment in group)
        home = homes.most_common(1)[0][0]
        at_home = next((candidate for candidate in candidates if candidate.load.worker == home), None)
        return (at_home or min(candidates, key=attrgetter("rank"))).load.worker
