"""Places of a cluster for a kind of worker: those that it has, or could have."""

from collections.abc import Mapping, Sequence
from math import inf

from ...core.placement.autoscaling import has_labels
from ...core.placement.kinds import WorkerKind
from ...finding import Severity
from .facts import ClusterFacts, NodeFacts, NodeType
from .finding import Finding

_ROUNDING = 1e-9
_UNITS = {"CPU": ("CPU", 1.0), "GPU": ("GPU", 1.0), "memory": ("GiB of memory", float(1 << 30))}


def place_finding(field: str, kind: WorkerKind, cluster: ClusterFacts) -> Finding | None:
    """The finding about the obstacle that keeps a kind of worker from ever starting; None where nothing does.

    Args:
        field: Its field in the spec.
        kind: The kind.
        cluster: The cluster.
    """
    room = _room(kind, cluster)
    if room >= kind.processes:
        return None
    problem = f"{field}: {_missing(kind, cluster, room)}"
    if cluster.hidden_autoscaler:
        advice = "see that the autoscaler, whose types of node cannot be read from here, has one that does"
        return Finding(Severity.WARNING, "resources", problem, advice)
    another = "add a type of node that has it to the cluster's file" if cluster.node_types else "add such a node"
    advice = ", or ask for ".join(filter(None, [another, _less(kind, cluster, room)]))
    return Finding(Severity.BROKEN, "resources", problem, advice)


def _fits(kind: WorkerKind, place: NodeFacts | NodeType) -> int:
    """Number of its processes that fit on one node."""
    if not has_labels(kind.labels, place.labels):
        return 0
    return min(int(place.resources.get(name, 0) / need + _ROUNDING) for name, need in kind.needs.items())


def _room(kind: WorkerKind, cluster: ClusterFacts) -> float:
    """Number of its processes for which there is room, or could be."""
    now = sum(_fits(kind, node) for node in cluster.nodes)
    later = [(_fits(kind, one), inf if one.most is None else one.most) for one in cluster.node_types]
    return now + sum(fits * most for fits, most in later if fits)


def _missing(kind: WorkerKind, cluster: ClusterFacts, room: float) -> str:
    nowhere = "no node and no type of node" if cluster.node_types else "no node"
    labelled = _labelled(kind, cluster)
    with_labels = f" with {_labels(kind.labels)}" if kind.labels else ""
    if not labelled:
        return f"{nowhere} has the labels {_labels(kind.labels)} (there {_are(kind.labels, _places(cluster))})"
    if room:
        return f"the {kind.processes} processes of a worker need room at the same time, and there is room for {room:g}"
    short = _short(kind, labelled)
    wanted = " and ".join(_amount(name, kind.needs[name]) for name in short or kind.needs)
    if not short:
        return f"{nowhere}{with_labels} has {wanted} together"
    largest = " and ".join(_amount(name, have) for name, have in short.items())
    return f"{nowhere}{with_labels} has {wanted}, the largest has {largest}"


def _less(kind: WorkerKind, cluster: ClusterFacts, room: float) -> str:
    """The smaller demand that there would be room for; nothing where there is room for none."""
    labelled = _labelled(kind, cluster)
    if not labelled:
        return "other labels"
    if room:
        return f"at most {room:g} processes"
    short = _short(kind, labelled)
    if not short:
        return "less of one of them"
    return " and ".join(f"at most {_amount(name, have)}" for name, have in short.items() if have)


def _places(cluster: ClusterFacts) -> list[NodeFacts | NodeType]:
    return [*cluster.nodes, *cluster.node_types]


def _labelled(kind: WorkerKind, cluster: ClusterFacts) -> list[NodeFacts | NodeType]:
    return [place for place in _places(cluster) if has_labels(kind.labels, place.labels)]


def _short(kind: WorkerKind, places: Sequence[NodeFacts | NodeType]) -> dict[str, float]:
    """The resources of which no node has enough, and the most that one has."""
    most = {name: max(place.resources.get(name, 0) for place in places) for name in kind.needs}
    return {name: have for name, have in most.items() if have < kind.needs[name] - _ROUNDING}


def _amount(name: str, value: float) -> str:
    unit, size = _UNITS[name]
    number = value / size
    return f"{number:.3g} {unit}" + ("s" if unit != "GiB of memory" and number != 1 else "")


def _labels(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in labels.items())


def _are(selector: Mapping[str, str], places: Sequence[NodeFacts | NodeType]) -> str:
    """The values that the labels asked for do have."""
    found = [
        f"{name}={value}" for name in selector for value in sorted({p.labels[name] for p in places if name in p.labels})
    ]
    return f"are {', '.join(found)}" if found else "are none of these names"
