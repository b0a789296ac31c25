"""Workers of several kinds on a cluster whose nodes come and go: where trials go, and what becomes of the workers."""

import json
import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.autoscaler.v2.sdk import get_cluster_resource_state
from ray.cluster_utils import Cluster
from ray.experimental.internal_kv import _internal_kv_get

from caviar.scheduler import Results, RunSnapshot, Sweep
from caviar.scheduler.analysis.status import sweep_status
from caviar.scheduler.core.placement.kinds import WorkerKind
from caviar.scheduler.core.trials.assignment import Assignment, Outcome, OutcomeStatus
from caviar.scheduler.execution.cluster.nodes import ask_for
from caviar.scheduler.execution.pool import pool
from caviar.scheduler.execution.pool.executor import RayExecutor
from caviar.scheduler.execution.worker.settings import TrainingSettings
from caviar.search_spaces import Choice, Constant, Uniform

pytestmark = pytest.mark.slow

CODE = Path(__file__).parents[1] / "training_code.py"
MEMORY = 100 * 2**20


def add_node(cluster: Cluster, **has: Any) -> Any:
    return cluster.add_node(object_store_memory=MEMORY, **has)


def drain(cluster: Cluster, node: str) -> None:
    ray_command = str(Path(sys.executable).with_name("ray"))
    reason = [
        "--reason",
        "DRAIN_NODE_REASON_PREEMPTION",
        "--reason-message",
        "spot",
        "--deadline-remaining-seconds",
        "60",
    ]
    command = [ray_command, "drain-node", "--address", cluster.address, "--node-id", node, *reason]
    subprocess.run(command, check=True, capture_output=True)


def asked() -> Any:
    """What the cluster's autoscaler is asked for."""
    said = _internal_kv_get(b"autoscaler_resource_request")
    return None if said is None else json.loads(said)


def sweep_of(function: str, storage: Path, workers: Any, **fields: Any) -> Sweep:
    common: dict[str, Any] = {"metric": "loss", "name": "sweep", "seed": 5, "max_failures": 0}
    return Sweep(f"{CODE}:{function}", storage=storage, workers=workers, **common, **fields)


def table_of(results: Results) -> list[dict[str, Any]]:
    """All that does not depend on the clock."""
    table: list[dict[str, Any]] = results.trials().drop(["elapsed_s"]).to_pylist()
    return table


def test_the_workers_of_a_sweep_follow_the_nodes_that_come_and_go_and_no_step_is_lost(
    cluster: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "caviar")
    nodes, requests = list[Any](), list[Any]()
    space = {"x": Uniform(0.1, 1.0), "folder": Constant(str(tmp_path))}
    fields: dict[str, Any] = {"resource": {"min": 9, "max": 27, "eta": 3}, "budget": {"trials": 8}, "space": space}

    def come_and_go(snapshot: RunSnapshot) -> None:
        if asked() not in [*requests, None]:
            requests.append(asked())
        if not nodes and caplog.messages:
            nodes.append(add_node(cluster, num_cpus=1))
        elif len(nodes) == 1 and (tmp_path / "first").exists():
            nodes.append(add_node(cluster, num_cpus=2))
        elif snapshot.workers == 3 and not (tmp_path / "going").exists():
            drain(cluster, nodes[0].node_id)
            (tmp_path / "going").touch()

    sweep = sweep_of("lingers_on_its_first_node", tmp_path, {"cpu": 1}, **fields)
    results = sweep.run(come_and_go, preflight=False)
    assert caplog.messages == [
        "0 workers: nothing in the cluster has 1 CPU free (the cluster has 0 CPUs and 0 GPUs); waiting for nodes"
    ]
    assert (tmp_path / "first").read_text() == nodes[0].node_id
    assert max(map(len, requests)) == 8
    assert requests[0][0] == {"CPU": 1}
    assert asked() == []
    journal = "".join(file.read_text() for file in (sweep.directory / "journal").iterdir())
    assert "interrupted" in journal
    assert "preempted" not in journal
    assert {row["attempt"] for row in table_of(results)} == {0}
    steps = Counter((report["trial"], report["step"]) for report in results.reports().to_pylist())
    assert set(steps.values()) == {1}
    assert len(steps) == sum(row["step"] for row in table_of(results))
    simulated = sweep_of("lingers_on_its_first_node", tmp_path / "simulated", {"cpu": 1}, **fields).simulate(
        lambda config, seed: [float(str(config["x"])) * 0.9**step for step in range(1, 28)]
    )
    assert [row["trial"] for row in table_of(results) if row["state"] == "completed"] == [
        row["trial"] for row in table_of(simulated) if row["state"] == "completed"
    ]
    assert sweep_status(sweep.directory).condition.value == "finished", "the journal cannot be replayed"
    for node in nodes:
        cluster.remove_node(node)


@pytest.fixture(scope="module")
def three_nodes(cluster: Cluster) -> tuple[Any, Any, Any]:
    """One with a GPU and a label, two with CPUs: with the head the cluster has four."""
    gpu = add_node(cluster, num_cpus=3, num_gpus=1, labels={"ray.io/accelerator-type": "H100"})
    return gpu, add_node(cluster, num_cpus=2), add_node(cluster, num_cpus=1)


def test_trials_go_to_workers_that_suit_them_and_the_table_is_that_of_any_workers(
    three_nodes: tuple[Any, Any, Any], tmp_path: Path
) -> None:
    space = {"x": Uniform(0.1, 1.0), "model": Choice(["big", "small", "tiny"])}
    kinds = [
        {"cpu": 1, "gpu": 0.5, "memory": "1MiB", "labels": {"accelerator-type": "H100"}, "when": {"model": ["big"]}},
        {"cpu": 1, "labels": {"accelerator-type": "!H100"}, "when": {"model": ["small"]}, "count": 1},
        {"cpu": 1, "when": {"model": ["tiny", "small"]}, "count": 1},
    ]
    fields: dict[str, Any] = {"resource": {"min": 1, "max": 9, "eta": 3}, "budget": {"trials": 60}, "space": space}
    results = sweep_of("says_where", tmp_path, kinds, **fields).run()
    expected = sweep_of("says_where", tmp_path / "simulated", {}, **fields).simulate(
        lambda config, seed: [float(str(config["x"])) / step for step in range(1, 10)]
    )
    assert table_of(results) == table_of(expected)
    with_gpu, *with_cpus = (int(node.node_id[:8], 16) for node in three_nodes)
    where = {(row["config_model"], row["gpus"], row["node"]) for row in results.reports().to_pylist()}
    assert {place for place in where if place[0] == "big"} == {("big", 1, with_gpu)}
    assert {gpus for model, gpus, _ in where if model != "big"} == {0}
    assert {("small", 0, node) for node in with_cpus} & where


def outcomes_of(executor: RayExecutor, count: int) -> list[Outcome]:
    outcomes = list[Outcome]()
    while len(outcomes) < count:
        outcomes += executor.wait(0.2).outcomes
    return outcomes


def test_workers_are_given_up_for_a_kind_that_work_waits_for_and_where_the_work_has_no_use_for_them(
    three_nodes: tuple[Any, Any, Any],
    settings: Callable[..., TrainingSettings],
    work: Callable[..., Assignment],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "_SPARE_S", 1.5)
    kinds = [WorkerKind(gpu=1, when={"fate": (fate,)}) for fate in ("good", "ends")] + [
        WorkerKind(when={"fate": ("fails",)})
    ]
    executor = RayExecutor(settings("fated"), kinds)
    fates = ["good", "ends", "good", "nobody's"]
    executor.start([work(trial, config={"fate": fate}) for trial, fate in enumerate(fates)])
    ended = {outcome.trial: outcome for outcome in outcomes_of(executor, 4)}
    assert [ended[trial].status.value for trial in range(4)] == ["completed", "completed", "completed", "failed"]
    assert ended[3].error == (
        "workers: no kind of worker takes trial 3: its configuration satisfies the `when` of none."
    )
    while executor.workers < 5:
        executor.wait(0.2)
    while executor.workers > 2:  # one of each kind that has room
        executor.scale(lambda: 1)
        executor.wait(0.2)
    executor.close()
    assert asked() == []


def test_work_that_waits_for_a_worker_is_given_back_when_the_sweep_stops(
    three_nodes: tuple[Any, Any, Any], settings: Callable[..., TrainingSettings], work: Callable[..., Assignment]
) -> None:
    executor = RayExecutor(settings("fated"), [WorkerKind(gpu=5)])
    executor.start([work(0, start=1)])
    assert len(executor.wait(0.1).outcomes) == 0
    executor.cancel()
    (outcome,) = executor.wait(1.0).outcomes
    assert (outcome.status, outcome.step) == (OutcomeStatus.INTERRUPTED, 1)
    executor.close()


def test_the_newer_autoscaler_is_asked_for_labels_too_and_for_each_process(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray.autoscaler.v2.utils.is_autoscaler_v2", lambda: True)
    spot = WorkerKind(cpu=2, gpu=1, memory=2**30, labels={"ray.io/market-type": "in(spot)"}, processes=2)
    gcs = ray._private.worker.global_worker.gcs_client  # type: ignore[attr-defined]
    ask_for([spot, WorkerKind()], (1, 1))
    (constraint,) = get_cluster_resource_state(gcs).cluster_resource_constraints
    requests = {one.count: one.request for one in constraint.resource_requests}
    assert dict(requests[2].resources_bundle) == {"CPU": 2, "GPU": 1, "memory": 2**30}
    assert "market-type" in str(requests[2].label_selectors)
    assert dict(requests[1].resources_bundle) == {"CPU": 1}
    ask_for([], ())
    (constraint,) = get_cluster_resource_state(gcs).cluster_resource_constraints
    assert len(constraint.resource_requests) == 0
