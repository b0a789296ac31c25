"""The number of workers of each kind that a sweep should have: what its work asks for, and what there is room for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf

from .kinds import KindIndices, WorkerKind

_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster.

    Attributes:
        name: Its id.
        total: The resources that it has, by Ray's names: `CPU`, `GPU`, `memory` in bytes.
        free: The part of them that is free.
        labels: Its labels.
    """

    name: str
    total: Mapping[str, float]
    free: Mapping[str, float]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WorkerTargets:
    """The number of workers of each kind that there should be.

    Attributes:
        wanted: The number where there is room for them.
        asked: The number for which room should be made.
    """

    wanted: tuple[int, ...]
    asked: tuple[int, ...]


def expected(
    known: Mapping[KindIndices, int], rest: int, seen: Mapping[KindIndices, int], kinds: int
) -> dict[KindIndices, int]:
    """The groups of a sweep that could be trained at the same time, by the kinds of workers that suit them.

    Those that are not known yet will be like those that were seen, and each kind may get one that it has never seen.

    Args:
        known: The groups that have been given out.
        rest: Number of further groups that there could be.
        seen: All groups so far.
        kinds: Number of kinds that there are.
    """
    count = sum(seen.values())
    share: dict[KindIndices, float] = {(kind,): 1 / (count + 1) for kind in range(kinds)}
    share |= {eligible: (groups + 1) / (count + 1) for eligible, groups in seen.items()}
    classes = Counter(known)
    for eligible, part in share.items():
        classes[eligible] += ceil(rest * min(1.0, part) - _ROUNDING)
    return {eligible: groups for eligible, groups in classes.items() if groups}


def worker_targets(
    kinds: Sequence[WorkerKind], classes: Mapping[KindIndices, int], ready: Sequence[int]
) -> WorkerTargets:
    """The number of workers of each kind that certain groups need.

    A kind is wanted for what earlier kinds' workers that are there leave; it is asked for only for what earlier kinds
    will leave once all of their workers are there.

    Args:
        kinds: The kinds of workers.
        classes: Groups by the kinds that suit them.
        ready: Number of workers of each kind that are there.
    """
    most = [inf if kind.count is None else kind.count for kind in kinds]
    asked, _ = _allocate(classes, most)
    wanted, left = _allocate(classes, [min(pair) for pair in zip(ready, most, strict=True)])
    for eligible, groups in left.items():
        for kind in eligible:
            wanted[kind] += groups
    return WorkerTargets(tuple(int(min(pair)) for pair in zip(wanted, most, strict=True)), tuple(asked))


def _allocate(classes: Mapping[KindIndices, int], most: Sequence[float]) -> tuple[list[int], dict[KindIndices, int]]:
    """The groups that each kind takes, the preferred kind first, and those that are left."""
    taken, left = [0] * len(most), dict[KindIndices, int]()
    for eligible, groups in sorted(classes.items(), key=lambda item: (len(item[0]), item[0])):
        rest = groups
        for kind in eligible:
            take = int(min(rest, max(0, most[kind] - taken[kind])))
            taken[kind] += take
            rest -= take
        left[eligible] = rest
    return taken, left


def additions(
    kinds: Sequence[WorkerKind], wanted: Sequence[int], have: Sequence[int], nodes: Sequence[Node]
) -> list[int]:
    """The number of workers of each kind to start now: no more than there is room for, in turns.

    Args:
        kinds: The kinds of workers.
        wanted: Number of each that there should be.
        have: Number of each that there are or will be, those that have no place yet among them.
        nodes: The nodes, whose free room nobody else will take.
    """
    free = [dict(node.free) for node in nodes]
    more, full = [0] * len(kinds), set[int]()
    while True:
        short = [(have[k] + more[k], k) for k in range(len(kinds)) if k not in full and have[k] + more[k] < wanted[k]]
        if not short:
            return more
        _, k = min(short)
        if _reserve_room(kinds[k], nodes, free):
            more[k] += 1
        else:
            full.add(k)


def fits(kind: WorkerKind, nodes: Sequence[Node]) -> bool:
    """True where there is free room for one more worker of a kind."""
    return _reserve_room(kind, nodes, [dict(node.free) for node in nodes])


def taken_from(nodes: Sequence[Node], name: str, kind: WorkerKind, workers: int = 1) -> list[Node]:
    """The nodes once workers of a kind have taken their room on one of them, or given it back where there are -1."""

    def left(node: Node) -> dict[str, float]:
        taken = workers * kind.processes
        return {**node.free, **{what: node.free.get(what, 0) - taken * need for what, need in kind.needs.items()}}

    return [replace(node, free=left(node)) if node.name == name else node for node in nodes]


def workers_to_evict(
    kind: WorkerKind, idle: Sequence[tuple[str | None, WorkerKind]], nodes: Sequence[Node]
) -> list[int] | None:
    """The idle workers of one node to end so that one of another kind fits; None where it cannot be.

    Args:
        kind: The kind that has no room.
        idle: The node and the kind of each idle worker.
        nodes: The nodes.
    """

    def helps(ended: Sequence[int], name: str) -> bool:
        after = nodes
        for place in ended:
            after = taken_from(after, name, idle[place][1], -1)
        return fits(kind, after)

    found: list[list[int]] = []
    for node in nodes:
        ended = [place for place, (name, _) in enumerate(idle) if name == node.name]
        if helps(ended, node.name):
            for place in list(ended):
                without = [one for one in ended if one != place]
                ended = without if helps(without, node.name) else ended
            found.append(ended)
    return min(found, key=len, default=None)


def could_fit(kind: WorkerKind, nodes: Sequence[Node]) -> bool:
    """True where there would be room for a worker of a kind if nothing else ran."""
    return _reserve_room(kind, nodes, [dict(node.total) for node in nodes])


def most_on_a_node(kind: WorkerKind, nodes: Sequence[Node]) -> float:
    """The most processes of the workers of a kind that could share one node."""
    there = [node for node in nodes if has_labels(kind.labels, node.labels)]
    counts = [min(int(node.total.get(name, 0) / need + _ROUNDING) for name, need in kind.needs.items())
              for node in there]  # fmt: skip
    return min(max(counts, default=0), inf if kind.count is None else kind.count * kind.processes)


def has_labels(selectors: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """True where labels are what selectors of Ray ask for: `H100`, `!H100`, `in(H100,A100)`, `!in(H100,A100)`."""
    return all(_selects(selector, labels.get(name)) for name, selector in selectors.items())


def _selects(selector: str, value: str | None) -> bool:
    unlike, values = selector.startswith("!"), selector.removeprefix("!")
    if values.startswith("in(") and values.endswith(")"):
        among = value in [one.strip() for one in values[3:-1].split(",")]
    else:
        among = value == values
    return among != unlike


def _reserve_room(kind: WorkerKind, nodes: Sequence[Node], free: list[dict[str, float]]) -> bool:
    """Takes the room of all processes of a worker, and says whether there is enough; else nothing is taken."""
    left = [dict(one) for one in free] if kind.processes > 1 else free
    for _ in range(kind.processes):
        place = next((place for place, node in enumerate(nodes) if _is_room(kind, node, left[place])), None)
        if place is None:
            return False
        for name, need in kind.needs.items():
            left[place][name] -= need
    free[:] = left
    return True


def _is_room(kind: WorkerKind, node: Node, free: Mapping[str, float]) -> bool:
    enough = all(free.get(name, 0) + _ROUNDING >= need for name, need in kind.needs.items())
    return enough and has_labels(kind.labels, node.labels)


def lack_sentence(kind: WorkerKind, have: int, wanted: int, nodes: Sequence[Node]) -> str:
    """A sentence on what the cluster has not got for workers of a kind.

    Args:
        kind: The kind.
        have: Number of them that have a place.
        wanted: Number of them that there should be.
        nodes: The nodes of the cluster.
    """
    cpus, gpus = (sum(node.total.get(name, 0) for node in nodes) for name in ("CPU", "GPU"))
    workers = f"{have} of {wanted} workers" if have else "0 workers"
    return (
        f"{workers}: nothing in the cluster has {_process(kind)} free (the cluster has {cpus:g} CPUs and"
        f" {gpus:g} GPUs); waiting for nodes"
    )


def _process(kind: WorkerKind) -> str:
    parts = [f"{kind.cpu:g} CPU{'s' * (kind.cpu != 1)}"]
    parts += [f"{kind.gpu:g} GPU{'s' * (kind.gpu != 1)}"] if kind.gpu else []
    parts += [f"{kind.memory / 2**30:.3g} GiB of memory"] if kind.memory else []
    parts += [f"{name} {selector}" for name, selector in kind.labels.items()]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
