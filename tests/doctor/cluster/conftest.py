"""Clusters of several nodes on this machine, each node with what is wrong with it: its own mounts and environment."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from caviar.scheduler.execution.cluster.environment import configure_ray_environment

RAY = Path(sys.executable).with_name("ray")
PROGRAM = Path(sys.executable).with_name("caviar")
SMALL = ("--disable-usage-stats", "--object-store-memory=80000000", "--block")
UNSHARE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")

SPEC = """\
name: small
trainer: train.py:train
metric: loss
space: {x: {uniform: [0.0, 1.0]}}
resource: {max: 3}
budget: {trials: 3}
workers: {count: 1, labels: {place: head}}
"""
TRAINING = """\
import one_of_a_kind


def train(trial):
    for step in trial.steps():
        yield {"loss": trial.config["x"] + one_of_a_kind.OFFSET / step}
"""
WITHOUT_CAVIAR = """\
import sys


class Missing:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.startswith("caviar."):
            raise ModuleNotFoundError(f"No module named {name!r}")


sys.meta_path.insert(0, Missing)
"""
AUTOSCALER = """\
cluster_name: small
max_workers: 2
upscaling_speed: 1.0
idle_timeout_minutes: 5
provider: {type: readonly, use_node_id_as_ip: true, disable_launch_config_check: true, disable_node_updaters: true}
auth: {}
docker: {}
file_mounts: {}
file_mounts_sync_continuously: false
cluster_synced_files: []
initialization_commands: []
setup_commands: []
head_setup_commands: []
worker_setup_commands: []
head_start_ray_commands: []
worker_start_ray_commands: []
head_node_type: head
available_node_types:
  head: {resources: {CPU: 1}, node_config: {}, max_workers: 0}
  eight_gpus: {resources: {CPU: 8, GPU: 8}, labels: {ray.io/accelerator-type: H100}, node_config: {}, max_workers: 2}
"""
"""As the launcher leaves it on the head; this provider starts nothing."""


def mounting(mounts: str, *command: str | Path) -> list[str]:
    """A command that runs where some folders are other disks, as only it can see."""
    return [*UNSHARE, f'{mounts} && exec "$@"', "sh", *map(str, command)]


def free_port() -> int:
    """A port below those that the system gives to whoever asks, which others may have taken before Ray listens."""
    while True:
        port = secrets.randbelow(10_000) + 20_000
        with socket.socket() as listening, suppress(OSError):
            listening.bind(("127.0.0.1", port))
            return port


@contextmanager
def ray_node(command: list[str], path: str, **variables: str) -> Iterator[None]:
    """Runs `ray start --block` until the block ends; the node has joined its cluster when the block begins.

    Two that start at the same time would take the same names for their sockets.
    """
    environment = {**os.environ, "PYTHONPATH": path, **variables}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    try:
        wait_until_joined(process)
        yield
    finally:
        process.terminate()
        process.communicate()


def wait_until_joined(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    said = list[str]()
    for line in process.stdout:
        said.append(line)
        if "Ray runtime started" in line:
            return
    pytest.fail("".join(said))


@dataclass(frozen=True)
class Ground:
    """A cluster and a project that a person could run on it.

    Attributes:
        project: The folder with the spec and the training code.
        variables: The environment in which the cluster is found.
    """

    project: Path
    variables: dict[str, str] = field(default_factory=dict)

    def caviar(self, *words: str, mounts: str = "true", **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs the program in the project."""
        return subprocess.run(
            mounting(mounts, PROGRAM, *words) if mounts != "true" else [PROGRAM, *words],
            cwd=self.project,
            env={**os.environ, "NO_COLOR": "1", **self.variables, **variables},
            capture_output=True,
            text=True,
            check=False,
        )


def write_project(folder: Path) -> Path:
    (folder / "sweep.yaml").write_text(SPEC)
    (folder / "train.py").write_text(TRAINING)
    (folder / "packages").mkdir()
    (folder / "packages" / "one_of_a_kind.py").write_text("OFFSET = 1\n")
    (folder / "without_caviar").mkdir()
    (folder / "without_caviar" / "sitecustomize.py").write_text(WITHOUT_CAVIAR)
    (folder / "sweeps").mkdir()
    return folder


@pytest.fixture(scope="session")
def own_mounts() -> None:
    """Skips where a process may not mount anything."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare on this machine, and so no node with other disks")
    tried = subprocess.run(mounting("mount -t tmpfs none /mnt", "true"), capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"this machine lets no test mount a disk: {tried.stderr.strip()}")


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Callable[[], str]]:
    """Makes folders with names that are short enough for Ray's sockets."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(tempfile.TemporaryDirectory(prefix="cav", ignore_cleanup_errors=True))


@pytest.fixture(scope="module")
def sick(
    own_mounts: None, tmp_path_factory: pytest.TempPathFactory, short_folder: Callable[[], str]
) -> Iterator[Ground]:
    """A head that is well, a node that has another disk and lacks a package, and one without Caviar that may not write.

    An autoscaler on the head could start nodes with eight H100s.
    """
    configure_ray_environment()
    project = write_project(tmp_path_factory.mktemp("sick"))
    (file := project / "autoscaler.yaml").write_text(AUTOSCALER)
    address = f"127.0.0.1:{free_port()}"
    storage, packages, without = project / "sweeps", project / "packages", project / "without_caviar"
    elsewhere = f"mount -t tmpfs -o size=4m none '{storage}' && mount -t tmpfs none '{packages}'"
    bare = f"mount --bind '{storage}' '{storage}' && mount -o remount,bind,ro '{storage}'"
    path = os.pathsep.join(filter(None, [str(packages), os.environ.get("PYTHONPATH")]))
    head = [
        *(str(RAY), "start", "--head", f"--port={address.partition(':')[2]}"),
        *("--num-cpus=1", "--labels=place=head", f"--autoscaling-config={file}", "--include-dashboard=false"),
        *(f"--temp-dir={short_folder()}", *SMALL),
    ]
    nodes = [
        mounting(mounts, RAY, "start", f"--address={address}", "--num-cpus=1", f"--labels=place={place}", *SMALL)
        for place, mounts in {"elsewhere": elsewhere, "bare": bare}.items()
    ]
    with ray_node(head, path), ray_node(nodes[0], path), ray_node(nodes[1], f"{without}{os.pathsep}{path}"):
        yield Ground(project, {"RAY_ADDRESS": address, "PYTHONPATH": path})


@pytest.fixture(scope="module")
def open_to_all(
    own_mounts: None, tmp_path_factory: pytest.TempPathFactory, short_folder: Callable[[], str]
) -> Iterator[Ground]:
    """A cluster of one node that asks for no token, listens on all interfaces and has little shared memory."""
    project = write_project(tmp_path_factory.mktemp("open"))
    port = free_port()
    words = (RAY, "start", "--head", f"--port={port}", "--num-cpus=1", "--include-dashboard=false")
    command = mounting("mount -t tmpfs -o size=32m none /dev/shm", *words, f"--temp-dir={short_folder()}", *SMALL)
    path = os.pathsep.join(filter(None, [str(project / "packages"), os.environ.get("PYTHONPATH")]))
    with ray_node(command, path, RAY_AUTH_MODE="disabled"):
        yield Ground(project, {"RAY_ADDRESS": f"127.0.0.1:{port}", "PYTHONPATH": path})
