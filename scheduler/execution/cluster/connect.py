"""Ray for a sweep: the cluster that is there, or a quiet private one on this machine."""

import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil

import ray
from ray._private import ray_constants
from ray.exceptions import AuthenticationError

from ...core.placement.autoscaling import could_fit
from ...core.placement.kinds import WorkerKind
from ...errors import WorkerError
from .address import check_address, refusal
from .nodes import is_own_ray, nodes

_OBJECT_STORE_BYTES = 150 * 1024 * 1024


@contextmanager
def ray_running(cpus: float) -> Iterator[None]:
    """Uses the Ray that is initialised or that RAY_ADDRESS names, or starts a private one that ends with the block.

    Args:
        cpus: CPUs that the sweep's workers need together; a Ray of our own has at least as many slots, so that a
            person who asks for more workers than cores gets them.

    Raises:
        WorkerError: There is no Ray at RAY_ADDRESS, or it refuses this process.
    """
    if ray.is_initialized():
        yield
        return
    # Ray warns at every start that authentication is on, before it looks at the level it is given.
    logging.getLogger("ray").setLevel(logging.ERROR)
    if os.environ.get("RAY_ADDRESS"):
        _connect()
    else:
        _start(cpus)
    try:
        yield
    finally:
        ray.shutdown()


def _connect() -> None:
    address = os.environ["RAY_ADDRESS"]
    check_address(address)
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, AuthenticationError) as error:
        raise WorkerError(refusal(address, error)) from error


def _start(cpus: float) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    handler = signal.getsignal(signal.SIGTERM)
    with _on_loopback():
        ray.init(
            address="local",
            num_cpus=max(cores, ceil(cpus)),
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=_OBJECT_STORE_BYTES,
        )
    if handler is not None and threading.current_thread() is threading.main_thread():
        # Ray's own handler ends the process at once; the sweep's lets it stop in order.
        signal.signal(signal.SIGTERM, handler)


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Lets the Ray that is started meanwhile listen on the loopback alone, as it does on macOS and Windows.

    It would listen on all interfaces. There is no public setting for this: `_node_ip_address="127.0.0.1"` is replaced
    by the machine's address.
    """
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def check_room(kinds: Sequence[WorkerKind]) -> None:
    """Refuses kinds of workers for which a Ray of our own, which never grows, has no room.

    Raises:
        WorkerError: There is no room for even one worker of a kind.
    """
    there = nodes()
    for kind in kinds:
        if is_own_ray() and not could_fit(kind, there):
            have: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
            several = f" in each of {kind.processes} processes" if kind.processes > 1 else ""
            raise WorkerError(
                f"workers: a worker needs {kind.cpu:g} CPUs and {kind.gpu:g} GPUs{several}, and Ray has"
                f" {have.get('CPU', 0):g} and {have.get('GPU', 0):g} in all; ask for less."
            )
