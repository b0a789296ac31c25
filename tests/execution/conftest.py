from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from caviar.scheduler.core.trials.assignment import Assignment
from caviar.scheduler.execution.cluster.environment import configure_ray_environment
from caviar.scheduler.execution.worker.settings import TrainingSettings
from caviar.scheduler.storage import SweepDirectory
from caviar.trainers import load_trainer

MEMORY = 100 * 2**20
CODE = Path(__file__).with_name("training_code.py")


@pytest.fixture
def directory(tmp_path: Path) -> SweepDirectory:
    directory = SweepDirectory(tmp_path / "sweep")
    directory.create()
    return directory


@pytest.fixture(scope="session")
def work() -> Callable[..., Assignment]:
    """Makes assignments, with defaults for what a test does not care about."""

    def make(trial: int = 0, stop: int = 3, **facts: Any) -> Assignment:
        defaults: dict[str, Any] = {"config": {"x": 0.5}, "seed": 100 + trial, "bracket": 0, "rung": 0, "start": 0}
        defaults["group"] = trial
        return Assignment(trial=trial, stop=stop, **{**defaults, **facts})

    return make


@pytest.fixture
def settings(directory: SweepDirectory) -> Callable[..., TrainingSettings]:
    """What workers are told about a function of `training_code.py`."""

    def make(function: str, resource_max: int = 9, **facts: Any) -> TrainingSettings:
        return TrainingSettings(load_trainer(f"{CODE}:{function}"), "loss", resource_max, directory.path, **facts)

    return make


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest, no_ray: None) -> Iterator[Cluster]:
    """A cluster of a head without room for workers; nodes are processes of this machine.

    It has the environment variables that a module names as CLUSTER_VARIABLES.
    """
    configure_ray_environment()
    with pytest.MonkeyPatch.context() as environment:
        for name, value in getattr(request.module, "CLUSTER_VARIABLES", {}).items():
            environment.setenv(name, value)
        head = {"num_cpus": 0, "object_store_memory": MEMORY, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        ray.init(address=cluster.address, log_to_driver=False)
        yield cluster
        ray.shutdown()
        cluster.shutdown()  # type: ignore[no-untyped-call]
