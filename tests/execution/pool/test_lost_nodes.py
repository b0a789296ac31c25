"""What happens to a sweep's work when a machine of the cluster is gone, with whatever lay in its memory."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from caviar.scheduler import Results, RunSnapshot, Sweep
from caviar.scheduler.analysis.status import sweep_status
from caviar.scheduler.core.placement.kinds import WorkerKind
from caviar.scheduler.core.trials.assignment import Assignment, Outcome, OutcomeStatus
from caviar.scheduler.core.trials.reports import ReportBatch
from caviar.scheduler.execution.pool.executor import RayExecutor
from caviar.scheduler.execution.worker.settings import TrainingSettings
from caviar.search_spaces import Constant, Uniform

pytestmark = pytest.mark.slow

STEPS = 9_000
"""So many reports are too long an answer to travel with its reference: it waits on the worker's node."""
MEMORY = 100 * 2**20
CLUSTER_VARIABLES = {
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "4",
}
"""A node that died is noticed after some seconds instead of a minute; its workers are out of reach before."""


def test_an_answer_that_is_lost_with_its_node_is_no_failure_and_another_worker_does_the_work_again(
    cluster: Cluster, settings: Callable[..., TrainingSettings], work: Callable[..., Assignment]
) -> None:
    node = cluster.add_node(num_cpus=1, object_store_memory=MEMORY)
    executor = RayExecutor(settings("forgetful", resource_max=STEPS), [WorkerKind(count=1)])
    while executor.workers < 1:
        executor.wait(1.0)
    assignment = work(stop=STEPS)
    executor.start([assignment])
    (poll,) = executor._pool.handles
    ray.wait([poll], fetch_local=False)
    cluster.remove_node(node, allow_graceful=False)
    outcomes, batches = list[Outcome](), [ReportBatch.empty()]
    while not outcomes:
        arrived = executor.wait(1.0)
        outcomes += arrived.outcomes
        batches.append(arrived.reports)
    assert outcomes[0].status is OutcomeStatus.PREEMPTED
    assert str(outcomes[0].error).startswith("The worker was lost with its node: ")
    node = cluster.add_node(num_cpus=1, object_store_memory=MEMORY)
    while executor.capacity() == 0:
        executor.wait(1.0)
    executor.start([replace(assignment, reported=outcomes[0].step)])
    while len(outcomes) < 2:
        arrived = executor.wait(1.0)
        outcomes += arrived.outcomes
        batches.append(arrived.reports)
    executor.close()
    cluster.remove_node(node)
    assert outcomes[1].status is OutcomeStatus.COMPLETED
    assert ReportBatch.concatenate(batches).step.tolist() == list(range(1, STEPS + 1))


def test_a_process_that_is_lost_with_its_node_preempts_the_trial_of_its_worker(
    cluster: Cluster, settings: Callable[..., TrainingSettings], work: Callable[..., Assignment], tmp_path: Path
) -> None:
    nodes = [cluster.add_node(num_cpus=1, object_store_memory=MEMORY) for _ in range(2)]
    executor = RayExecutor(settings("waits_in_both_processes"), [WorkerKind(processes=2, count=1)])
    while executor.workers < 1:
        executor.wait(1.0)
    marker = tmp_path / "node"
    executor.start([work(config={"marker": str(marker)})])
    outcomes, reports = list[Outcome](), list[ReportBatch]()
    while not outcomes:
        arrived = executor.wait(0.1)
        outcomes += arrived.outcomes
        reports.append(arrived.reports)
        if marker.exists() and (lost := [node for node in nodes if node.node_id == marker.read_text()]):
            nodes.remove(lost[0])
            cluster.remove_node(lost[0], allow_graceful=False)
    executor.close()
    cluster.remove_node(nodes[0])
    assert (outcomes[0].status, outcomes[0].step) == (OutcomeStatus.PREEMPTED, 1)
    assert re.match(r"rank 1(:| was).* lost with its node\.$", str(outcomes[0].error))
    assert ReportBatch.concatenate(reports).metrics["loss"].tolist() == [1.0], "each has a node to itself"


def sweep_in(storage: Path, marker: Path) -> Sweep:
    return Sweep(
        f"{Path(__file__).parents[1] / 'training_code.py'}:waits_once_to_lose_its_node",
        space={"x": Uniform(0.1, 1.0), "marker": Constant(str(marker))},
        metric="loss",
        resource={"min": 1, "max": 9, "eta": 3},
        budget={"trials": 24},
        workers={"cpu": 1, "count": 2},
        max_failures=0,
        storage=storage,
        name="lossy",
        seed=5,
    )


def table_of(results: Results) -> list[dict[str, Any]]:
    """All that does not depend on the clock, and so the attempts as well."""
    table: list[dict[str, Any]] = results.trials().drop(["elapsed_s", "config_marker"]).to_pylist()
    return table


def test_a_sweep_that_loses_a_node_ends_with_the_table_of_one_that_does_not(cluster: Cluster, tmp_path: Path) -> None:
    (undisturbed := tmp_path / "undisturbed").touch()
    marker, lost = tmp_path / "node", list[str]()
    nodes = [cluster.add_node(num_cpus=1, object_store_memory=MEMORY) for _ in range(2)]

    def lose_it_once(snapshot: RunSnapshot) -> None:
        if not lost and marker.exists() and (node := marker.read_text()):
            lost.append(node)
            cluster.remove_node(next(one for one in nodes if one.node_id == node), allow_graceful=False)
            cluster.add_node(num_cpus=1, object_store_memory=MEMORY)

    expected = sweep_in(tmp_path / "calm", undisturbed).run()
    sweep = sweep_in(tmp_path, marker)
    results = sweep.run(lose_it_once)
    assert lost
    assert table_of(results) == table_of(expected)
    assert {row["attempt"] for row in table_of(results)} == {0}
    steps = Counter((report["trial"], report["step"]) for report in results.reports().to_pylist())
    assert set(steps.values()) == {1}
    assert len(steps) == sum(row["step"] for row in table_of(results))
    assert "preempted" in "".join(file.read_text() for file in (sweep.directory / "journal").iterdir())
    assert sweep_status(sweep.directory).condition.value == "finished", "the journal cannot be replayed"
