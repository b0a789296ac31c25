"""Where sweeps run while they are killed: on a Ray of each run's own, or on a cluster of several nodes."""

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import psutil

from caviar.scheduler.execution.cluster.environment import configure_ray_environment

WORKER = "ray::Worker"
_STORE_BYTES = 80 * 2**20
HEALTH_CHECKS: Mapping[str, str] = {
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "2",
}
"""Ray notices a node's death within two seconds, where its defaults take up to a minute."""


class Ground(Protocol):
    """Where sweeps run."""

    def variables(self) -> Mapping[str, str]:
        """Environment variables for a driver."""

    def workers(self, driver: psutil.Process) -> list[psutil.Process]:
        """The processes of the actors that train."""

    def kill_raylet(self, driver: psutil.Process, choice: int) -> bool:
        """Kills a node of which the driver is not a part; of its own Ray, the only one. False if there is none."""


def kill(process: psutil.Process) -> bool:
    """SIGKILL for exactly this process; False if it has ended already."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGKILL)
        return True
    return False


def descendants(process: psutil.Process) -> list[psutil.Process]:
    """What a process has started, and what that has, as far as it lives."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return list(process.children(recursive=True))
    return []


def title(process: psutil.Process) -> str:
    """How a process calls itself; empty if it has ended."""
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _training(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if title(process).startswith(WORKER)]


def _name(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return str(process.name())
    return ""


class PrivateRay:
    """Each run starts a Ray of its own and ends with it."""

    def variables(self) -> Mapping[str, str]:
        """None but for Ray's health checks."""
        return HEALTH_CHECKS

    def workers(self, driver: psutil.Process) -> list[psutil.Process]:
        """Actors below the driver."""
        return _training(descendants(driver))

    def kill_raylet(self, driver: psutil.Process, choice: int) -> bool:
        """The driver's own raylet: its one machine, so the driver ends with it."""
        return any(kill(process) for process in descendants(driver) if _name(process) == "raylet")


class SharedCluster:
    """A head without room for workers and two nodes of one CPU each, all on this machine.

    Args:
        variables: Environment variables of all its processes, besides this process's.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        configure_ray_environment()
        from ray.cluster_utils import Cluster  # noqa: PLC0415 Ray reads the environment when it is imported

        self._variables = {**HEALTH_CHECKS, **variables}
        with _environment(self._variables):
            head = {"num_cpus": 0, "object_store_memory": _STORE_BYTES, "include_dashboard": False}
            self._cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(2):
            self._add_node()

    def variables(self) -> Mapping[str, str]:
        """The cluster's address."""
        return {**HEALTH_CHECKS, "RAY_ADDRESS": self._cluster.address}

    def workers(self, driver: psutil.Process) -> list[psutil.Process]:
        """Actors below the nodes; one sweep runs at a time."""
        raylets = [psutil.Process(_raylet(node)) for node in self._cluster.worker_nodes]
        return _training([process for raylet in raylets for process in descendants(raylet)])

    def kill_raylet(self, driver: psutil.Process, choice: int) -> bool:
        """One of the two nodes; another takes its place."""
        nodes = sorted(self._cluster.worker_nodes, key=_raylet)
        node = nodes[choice % len(nodes)]
        os.kill(_raylet(node), signal.SIGKILL)
        self._cluster.remove_node(node, allow_graceful=False)
        self._add_node()
        return True

    def close(self) -> None:
        """Ends all nodes."""
        self._cluster.shutdown()

    def _add_node(self) -> None:
        with _environment(self._variables):
            self._cluster.add_node(num_cpus=1, object_store_memory=_STORE_BYTES, wait=False)


def _raylet(node: Any) -> int:
    return int(node.all_processes["raylet"][0].process.pid)


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """This process's environment with more variables in it, for what is started meanwhile."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
