"""Which worker gets which group of trials, and the groups that wait because no worker that suits them has room."""

from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

from ..trials.assignment import Assignment
from .kinds import Suiting, WorkerKind, suiting

Group = Sequence[Assignment]
_LEAST, _PER_WORKER = 64, 4
"""So many groups may wait, at least and a worker: the rest of the sweep may suit the workers that are free."""


@dataclass(frozen=True, slots=True)
class Post:
    """A worker that takes work.

    Attributes:
        worker: Its number.
        kind: The place of its kind.
        load: Groups that it has and that have not ended.
        room: Groups that it takes on top of them, at least 0.
    """

    worker: int
    kind: int
    load: int
    room: int


@dataclass(frozen=True, slots=True)
class Placed:
    """A group and the number of the worker that is to train it."""

    worker: int
    group: Group


def parted(kinds: Sequence[WorkerKind], group: Group) -> list[tuple[Suiting, Group]]:
    """A group with the kinds of workers that suit it; where none takes all of its trials, parts with theirs.

    Args:
        kinds: The kinds of workers.
        group: A group of assignments.
    """
    if whole := suiting(kinds, [work.config for work in group]):
        return [(whole, group)]
    parts: dict[Suiting, list[Assignment]] = defaultdict(list)
    for work in group:
        parts[suiting(kinds, [work.config])].append(work)
    return [(suits, [replace(work, group=part[0].trial) for work in part]) for suits, part in parts.items()]


@dataclass(slots=True)
class _Seat:
    post: Post
    given: int = 0

    @property
    def load(self) -> int:
        return self.post.load + self.given

    @property
    def rank(self) -> tuple[int, int, int]:
        """Free workers before busy ones, then the kind that is preferred."""
        return self.load, self.post.kind, self.post.worker


@dataclass(slots=True)
class Backlog:
    """Groups on their way to a worker; after `place` none waits that a worker with room suits.

    Attributes:
        home: The worker in whose memory a trial was last.
        seen: How many groups there were so far that certain kinds of workers suit.
    """

    home: dict[int, int] = field(default_factory=dict)
    seen: Counter[Suiting] = field(default_factory=Counter)
    _waiting: dict[Suiting, deque[tuple[int, Group]]] = field(default_factory=lambda: defaultdict(deque))
    """By the kinds that suit them, oldest first, with their places in the order of all."""

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    @property
    def waiting(self) -> Mapping[Suiting, int]:
        """How many groups wait, by the kinds of workers that suit them."""
        return {kinds: len(groups) for kinds, groups in self._waiting.items() if groups}

    def add(self, group: Group, kinds: Suiting) -> None:
        """Takes a group that certain kinds of workers suit, at least one."""
        self._waiting[kinds].append((self.seen.total(), group))
        self.seen[kinds] += 1

    def room(self, posts: Sequence[Post]) -> int:
        """How many more groups may be taken: as many as workers have room for, and not too many that have to wait."""
        return max(0, min(sum(post.room for post in posts), _LEAST + _PER_WORKER * len(posts) - len(self)))

    def place(self, posts: Sequence[Post]) -> list[Placed]:
        """Gives what waits to the workers with room, oldest first.

        A group goes to the worker in whose memory most of its trials are, if that has room, else to one with the
        fewest groups, and of these to one of the kind that is preferred.
        """
        seats = {post.worker: _Seat(post) for post in posts if post.room}
        placed: list[Placed] = []
        while (kinds := self._next(seats)) is not None:
            _, group = self._waiting[kinds].popleft()
            worker = self._choose([seat for seat in seats.values() if seat.post.kind in kinds], group)
            placed.append(Placed(worker, group))
            self.home.update((assignment.trial, worker) for assignment in group)
            seats[worker].given += 1
            if seats[worker].given == seats[worker].post.room:
                del seats[worker]
        return placed

    def forget(self, worker: int) -> None:
        """Takes note that a worker is gone, and what it had in memory with it."""
        self.home = {trial: home for trial, home in self.home.items() if home != worker}

    def clear(self) -> list[Assignment]:
        """Gives back all that waits."""
        left = [assignment for groups in self._waiting.values() for _, group in groups for assignment in group]
        self._waiting.clear()
        return left

    def _next(self, seats: Mapping[int, _Seat]) -> Suiting | None:
        """The kinds that suit the oldest group for which there is room."""
        free = {seat.post.kind for seat in seats.values()}
        heads = [(groups[0][0], kinds) for kinds, groups in self._waiting.items() if groups and free & set(kinds)]
        return min(heads)[1] if heads else None

    def _choose(self, seats: Sequence[_Seat], group: Group) -> int:
        homes = Counter(self.home.get(assignment.trial) for assignment in group)
        home = homes.most_common(1)[0][0]
        at_home = next((seat for seat in seats if seat.post.worker == home), None)
        return (at_home or min(seats, key=attrgetter("rank"))).post.worker
