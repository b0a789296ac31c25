"""Asks every node of the cluster at the same time."""

import secrets
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import ray
from ray import cloudpickle
from ray._private.state import state
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ...errors import StorageError
from ...execution.cluster.nodes import living_nodes
from . import probe
from .facts import ClusterFacts, Disk, NodeFacts, NodeType
from .needs import Needs
from .storage_mark import StorageMark, storage_mark

_ANSWER_S = 60.0
_CLOCK_S = 5.0
_UNSEEN = "is not the driver's: what it writes is not seen by the driver"


def ask_nodes(needs: Needs) -> ClusterFacts:
    """Answers of every node, all of them asked at once; Ray must be initialised.

    Args:
        needs: The sweep's demands on the cluster, which they are asked about.
    """
    alive = living_nodes()
    mark, problem = None, None
    with ExitStack() as stack:
        try:
            mark = None if needs.storage is None else stack.enter_context(storage_mark(needs.storage))
        except StorageError as error:
            problem, needs = str(error), replace(needs, storage=None)
        answers = _answers(alive, needs, mark)
    nodes = [_facts(node, name, answers[node["NodeID"]]) for node, name in zip(alive, _names(alive), strict=True)]
    types = _node_types(nodes)
    return ClusterFacts(
        versions=probe.versions(),
        nodes=nodes,
        node_types=types,
        hidden_autoscaler=not types and _hides_autoscaler(nodes),
        storage_problem=problem,
    )


def _answers(alive: Sequence[Mapping[str, Any]], needs: Needs, mark: StorageMark | None) -> dict[str, dict[str, Any]]:
    """Each node's answer, by its id, and whether the driver sees what it wrote."""
    files = {node["NodeID"]: secrets.token_hex(8) for node in alive}
    answers = _gathered(files, _question(needs, mark))
    if mark is not None:
        wrote = {node: files[node] for node, said in answers.items() if said.get("exchanged")}
        for node, seen in mark.seen_from(wrote).items():
            answers[node]["storage_problem"] = None if seen else _UNSEEN
    return answers


def _gathered(files: Mapping[str, str], question: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    actors = {node: _start(node) for node in files}
    try:
        calls = {actor.look.remote({**question, "node": files[node]}): node for node, actor in actors.items()}
        ready, _ = ray.wait(list(calls), num_returns=len(calls), timeout=_ANSWER_S)
        silent = {node: {"silence": f"no answer within {_ANSWER_S:.0f} s"} for node in files}
        return silent | {calls[call]: _answer(call, actors[calls[call]]) for call in ready}
    finally:
        for actor in actors.values():
            ray.kill(actor)


def _question(needs: Needs, mark: StorageMark | None) -> dict[str, Any]:
    return {
        "storage": None if needs.storage is None else str(needs.storage),
        "mark": None if mark is None else mark.folder.name,
        "secret": None if mark is None else mark.secret,
        "trainer": None if needs.trainer is None else cloudpickle.dumps(needs.trainer),  # type: ignore[no-untyped-call]
        "data": None if needs.data is None else str(needs.data),
    }


def _start(node: str) -> Any:
    cloudpickle.register_pickle_by_value(probe)  # type: ignore[no-untyped-call]
    here = NodeAffinitySchedulingStrategy(node, soft=False)
    actor = ray.remote(probe.Probe).options(num_cpus=0, scheduling_strategy=here)
    return actor.remote([path for path in sys.path if path])


def _answer(call: Any, actor: Any) -> dict[str, Any]:
    try:
        said: dict[str, Any] = ray.get(call)
        before = time.time()
        there = ray.get(actor.now.remote(), timeout=_CLOCK_S)
        return {**said, "clock_ahead_s": there - (before + time.time()) / 2}
    except RayTaskError as error:
        cause = error.cause
        return {"silence": f"{type(cause).__name__} while it looked around: {_short(cause)}"}
    except RayError as error:
        return {"silence": _short(error)}


def _short(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300].rstrip(".")


def _facts(node: Mapping[str, Any], name: str, said: Mapping[str, Any]) -> NodeFacts:
    known = {field: value for field, value in said.items() if field not in {"exchanged", "disks"}}
    disks = tuple(Disk(*disk) for disk in said.get("disks", ()))
    return NodeFacts(name, node["Resources"], node["Labels"], disks=disks, **known)


def _names(nodes: Sequence[Mapping[str, Any]]) -> list[str]:
    """The address of each node; where several have one address, also the beginning of their ids."""
    shared = Counter(node["NodeManagerAddress"] for node in nodes)
    return [
        node["NodeManagerAddress"] + (f" ({node['NodeID'][:8]})" if shared[node["NodeManagerAddress"]] > 1 else "")
        for node in nodes
    ]


def _node_types(nodes: Sequence[NodeFacts]) -> list[NodeType]:
    """The types of node that the autoscaler can start: as it told Ray, or as its file on the head says."""
    told = state.get_cluster_config()
    if told is not None:
        return [
            NodeType(group.name, dict(group.resources), most=None if group.max_count < 0 else group.max_count)
            for group in told.node_group_configs
        ]
    read = [node.node_types for node in nodes if node.head and node.node_types is not None]
    return [
        NodeType(name, one["resources"], one["labels"], one["most"]) for types in read for name, one in types.items()
    ]


def _hides_autoscaler(nodes: Sequence[NodeFacts]) -> bool:
    """True where this is a cluster of Kubernetes, whose autoscaler runs beside the head and not in it."""
    return any(node.kubernetes for node in nodes if node.head) and not any(node.monitor for node in nodes)
