"""Whether a cluster has a place for a kind of worker, or could have one."""

from collections.abc import Mapping, Sequence
from math import inf

from ..core.placement import WorkerKind
from ..severity import Severity
from .facts import ClusterFacts, NodeFacts, NodeType
from .finding import Finding

_ROUNDING = 1e-9
_UNITS = {"CPU": ("CPU", 1.0), "GPU": ("GPU", 1.0), "memory": ("GiB of memory", float(1 << 30))}


def place_finding(field: str, kind: WorkerKind, cluster: ClusterFacts) -> Finding | None:
    """What keeps a kind of worker from ever starting; None where nothing does.

    Args:
        field: The field of the spec that it is.
        kind: The kind.
        cluster: The cluster.
    """
    if _room(kind, cluster) >= kind.processes:
        return None
    problem = f"{field}: {_missing(kind, cluster)}"
    if cluster.hidden_autoscaler:
        advice = "see that the autoscaler, whose types of node cannot be read from here, has one that does"
        return Finding(Severity.WARNING, "resources", problem, advice)
    return Finding(
        Severity.BROKEN, "resources", problem, f"{_another_type(cluster)}, or ask for {_less(kind, cluster)}"
    )


def matches(labels: Mapping[str, str], selector: Mapping[str, str]) -> bool:
    """Whether a node's labels are those that a worker asks for.

    Args:
        labels: The node's.
        selector: Ray's selectors by label: `H100`, `!H100`, `in(H100,A100)`, `!in(…)`.
    """
    return all(_one_matches(labels.get(name), wanted) for name, wanted in selector.items())


def _one_matches(value: str | None, wanted: str) -> bool:
    negated = wanted.startswith("!")
    text = wanted.removeprefix("!")
    inside = text.startswith("in(") and text.endswith(")")
    values = [one.strip() for one in text[3:-1].split(",")] if inside else [text]
    return (value in values) is not negated


def _needed(kind: WorkerKind) -> dict[str, float]:
    needs = {"CPU": float(kind.cpu), "GPU": float(kind.gpu), "memory": float(kind.memory or 0)}
    return {name: amount for name, amount in needs.items() if amount}


def _fits(kind: WorkerKind, place: NodeFacts | NodeType) -> int:
    """How many of its processes fit on one node."""
    if not matches(place.labels, kind.labels):
        return 0
    return min(int(place.resources.get(name, 0) / need + _ROUNDING) for name, need in _needed(kind).items())


def _room(kind: WorkerKind, cluster: ClusterFacts) -> float:
    now = sum(_fits(kind, node) for node in cluster.nodes)
    later = [(_fits(kind, one), inf if one.most is None else one.most) for one in cluster.node_types]
    return now + sum(fits * most for fits, most in later if fits)


def _missing(kind: WorkerKind, cluster: ClusterFacts) -> str:
    places = _places(cluster)
    nowhere = "no node and no type of node" if cluster.node_types else "no node"
    labelled = [place for place in places if matches(place.labels, kind.labels)]
    with_labels = f" with {_labels(kind.labels)}" if kind.labels else ""
    if not labelled:
        return f"{nowhere} has the labels {_labels(kind.labels)} (there {_are(kind.labels, places)})"
    if any(_fits(kind, place) for place in labelled):
        return (
            f"a worker of {kind.processes} processes needs room for all of them at once, and the cluster has room for"
            f" {_room(kind, cluster):g}"
        )
    short = [name for name, need in _needed(kind).items() if _largest(name, labelled) < need - _ROUNDING]
    wanted = " and ".join(_amount(name, _needed(kind)[name]) for name in short or _needed(kind))
    if not short:
        return f"{nowhere}{with_labels} has {wanted} together"
    largest = " and ".join(_amount(name, _largest(name, labelled)) for name in short)
    return f"{nowhere}{with_labels} has {wanted}, the largest has {largest}"


def _less(kind: WorkerKind, cluster: ClusterFacts) -> str:
    labelled = [place for place in _places(cluster) if matches(place.labels, kind.labels)]
    if not labelled:
        return "other labels"
    if any(_fits(kind, place) for place in labelled):
        return f"at most {_room(kind, cluster):g} processes"
    short = [name for name, need in _needed(kind).items() if _largest(name, labelled) < need - _ROUNDING]
    most = {name: _largest(name, labelled) for name in short}
    if not short:
        return "less of one of them"
    return " and ".join(f"at most {_amount(name, have)}" for name, have in most.items() if have)


def _another_type(cluster: ClusterFacts) -> str:
    return "add a type of node that has it to the cluster's file" if cluster.node_types else "add such a node"


def _places(cluster: ClusterFacts) -> list[NodeFacts | NodeType]:
    return [*cluster.nodes, *cluster.node_types]


def _largest(name: str, places: Sequence[NodeFacts | NodeType]) -> float:
    return max((place.resources.get(name, 0) for place in places), default=0)


def _amount(name: str, value: float) -> str:
    unit, size = _UNITS[name]
    number = value / size
    return f"{number:.3g} {unit}" + ("s" if unit != "GiB of memory" and number != 1 else "")


def _labels(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in labels.items())


def _are(selector: Mapping[str, str], places: Sequence[NodeFacts | NodeType]) -> str:
    """Which values the labels that are asked for do have."""
    found = [
        f"{name}={value}" for name in selector for value in sorted({p.labels[name] for p in places if name in p.labels})
    ]
    return f"are {', '.join(found)}" if found else "are none of these names"
