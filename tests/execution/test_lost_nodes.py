"""What happens to a sweep's work when a machine of the cluster is gone, with whatever lay in its memory."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import ray
from ray.cluster_utils import Cluster

from caviar.scheduler.core.assignment import Assignment, Outcome, OutcomeStatus
from caviar.scheduler.core.reports import ReportBatch
from caviar.scheduler.execution.executor import WorkerResources
from caviar.scheduler.execution.ray_environment import configure_ray_environment
from caviar.scheduler.execution.ray_executor import RayExecutor
from caviar.scheduler.execution.settings import EngineSettings

pytestmark = pytest.mark.slow

STEPS = 9_000
"""So many reports are too long an answer to travel with its reference: it waits on the worker's node."""
MEMORY = 100 * 2**20


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster of a head without room for workers; nodes are processes of this machine."""
    configure_ray_environment()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": MEMORY})
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()  # type: ignore[no-untyped-call]


def test_an_answer_that_is_lost_with_its_node_fails_the_work_and_another_worker_does_it_again(
    cluster: Cluster, settings: Callable[..., EngineSettings], work: Callable[..., Assignment]
) -> None:
    node = cluster.add_node(num_cpus=1, object_store_memory=MEMORY)
    executor = RayExecutor(settings("forgetful", resource_max=STEPS), WorkerResources())
    while executor.workers < 1:
        executor.wait(1.0)
    assignment = work(stop=STEPS)
    executor.start([assignment])
    (poll,) = executor._slots
    ray.wait([poll], fetch_local=False)
    cluster.remove_node(node, allow_graceful=False)
    outcomes, batches = list[Outcome](), [ReportBatch.empty()]
    while not outcomes:
        arrived = executor.wait(1.0)
        outcomes += arrived.outcomes
        batches.append(arrived.reports)
    assert outcomes[0].status is OutcomeStatus.FAILED
    cluster.add_node(num_cpus=1, object_store_memory=MEMORY)
    while executor.capacity() == 0:
        executor.wait(1.0)
    executor.start([replace(assignment, attempt=1, reported=outcomes[0].step)])
    while len(outcomes) < 2:
        arrived = executor.wait(1.0)
        outcomes += arrived.outcomes
        batches.append(arrived.reports)
    executor.close()
    assert outcomes[1].status is OutcomeStatus.COMPLETED
    assert ReportBatch.concatenate(batches).step.tolist() == list(range(1, STEPS + 1))
