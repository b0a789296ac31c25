"""The nodes of a cluster, and the deaths of workers in Ray's words."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import ray
from ray._private import state
from ray._private import worker as driver
from ray.autoscaler.sdk import request_resources

from ...core.placement.autoscaling import Node
from ...core.placement.kinds import WorkerKind


def is_own_ray() -> bool:
    """True where this process started the Ray that it uses: there is nobody then who would add nodes to it."""
    node = driver._global_node
    return node is not None and bool(node.head)


def node_lives(node: str) -> bool:
    """True where a node of the cluster, given by its id, is alive."""
    return any(one["NodeID"] == node for one in living_nodes())


def nodes() -> list[Node]:
    """The nodes that take work: those that are alive and are not going away."""
    free: dict[str, dict[str, float]] = state.available_resources_per_node()  # type: ignore[no-untyped-call]
    leaving = draining_nodes()
    return [
        Node(one["NodeID"], one["Resources"], free.get(one["NodeID"], {}), one["Labels"])
        for one in living_nodes()
        if one["NodeID"] not in leaving
    ]


def draining_nodes() -> frozenset[str]:
    """The ids of the nodes that are going away soon and take no new work."""
    return frozenset(state.state.get_draining_nodes())


def placed_actors() -> frozenset[str]:
    """The ids of the actors of this job that Ray has begun to start somewhere, dead ones among them."""
    job = ray.JobID.from_hex(ray.get_runtime_context().get_job_id())
    actors: dict[str, dict[str, Any]] = state.actors(job_id=job)
    return frozenset(name for name, facts in actors.items() if facts.get("Pid"))


def ask_for(kinds: Sequence[WorkerKind], counts: Sequence[int]) -> None:
    """Asks the cluster's autoscaler for room for so many workers of each kind in all, which holds until the next call.

    Without an autoscaler it has no effect.
    """
    bundles = [bundle for kind, count in zip(kinds, counts, strict=True) for bundle in _bundles(kind, count)]
    request_resources(
        bundles=[dict(kind.needs) for kind in bundles],
        bundle_label_selectors=[dict(kind.labels) for kind in bundles] or None,
    )


def _bundles(kind: WorkerKind, count: int) -> Iterator[WorkerKind]:
    return (kind for _ in range(count * kind.processes))


def living_nodes() -> list[dict[str, Any]]:
    """The nodes that are alive, as Ray describes them."""
    every: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [one for one in every if one["Alive"]]


_MEMORY = re.compile(r"NODE_OUT_OF_MEMORY|running low on memory|memory pressure \(OOM\)")
_NODE = re.compile(r"Memory on the node[^\n]*? was ([0-9.]+ ?[kMGT]?i?B) used / ([0-9.]+ ?[kMGT]?i?B)")
_WORKER = re.compile(r"Selected to kill: [^\n]*?actual memory used=([0-9.]+ ?[kMGT]?i?B)")


def death_reason(message: str) -> str:
    """One sentence about a worker's death.

    Args:
        message: The message of Ray: its first line, and advice on Ray behind it.
    """
    if _MEMORY.search(message):
        worker, node = _WORKER.search(message), _NODE.search(message)
        held = f", which held {worker[1]}," if worker else ""
        said = f": {node[1]} of {node[2]} were in use" if node else ""
        return f"Out of memory: Ray's memory monitor killed the worker{held} since its node had too little left{said}"
    return f"The worker died: {message.strip().partition(chr(10))[0]}"
