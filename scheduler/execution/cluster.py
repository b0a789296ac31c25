"""Ray for a sweep: the cluster that is there, or a quiet private one on this machine."""

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path

import ray

from ..errors import WorkerError
from .executor import WorkerResources

_OBJECT_STORE_BYTES = 150 * 1024 * 1024


@contextmanager
def ray_running(cpus: float) -> Iterator[None]:
    """Uses the Ray that is initialised or that RAY_ADDRESS names, or starts a private one that ends with the block.

    Args:
        cpus: CPUs that the sweep's workers need together; a Ray of our own has at least as many slots, so that a
            person who asks for more workers than cores gets them.

    Raises:
        WorkerError: There is no Ray at RAY_ADDRESS.
    """
    if ray.is_initialized():
        yield
        return
    _configure()
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
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError) as error:
        raise WorkerError(f"RAY_ADDRESS: no Ray answers at {os.environ['RAY_ADDRESS']} ({error}).") from error


def _start(cpus: float) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    ray.init(
        address="local",
        num_cpus=max(cores, ceil(cpus)),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=_OBJECT_STORE_BYTES,
    )


def worker_resources(cpu: float, gpu: float, count: int | None) -> WorkerResources:
    """The workers that a sweep asks for; as many as Ray has room for when no number is given.

    Raises:
        WorkerError: Not even one worker fits.
    """
    have: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    needs = {"CPU": cpu, "GPU": gpu}
    fits = min(int(have.get(name, 0) / need + 1e-9) for name, need in needs.items() if need)
    if fits < 1:
        raise WorkerError(
            f"workers: a worker needs {cpu:g} CPUs and {gpu:g} GPUs, and Ray has {have.get('CPU', 0):g} and"
            f" {have.get('GPU', 0):g} in all; ask for less."
        )
    return WorkerResources(cpu, gpu, fits if count is None else count)


def _configure() -> None:
    """Sets what Ray reads from the environment, where the person has not set it."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # A local ray.init turns token authentication on by itself unless RAY_AUTH_MODE says otherwise; setting the mode
    # here would come too late for this process, which read it when Ray was imported.
    if os.environ.get("RAY_AUTH_MODE", "token") == "token" and "RAY_AUTH_TOKEN" not in os.environ:
        _make_private_token(Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token"))


def _make_private_token(path: Path) -> None:
    """Makes Ray's token file if there is none, readable by its owner alone: Ray's own is readable by everybody."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        path.chmod(0o600)
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
