"""Clusters of several nodes on this machine, each node with what is wrong with it: its own mounts and environment."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import caviar.scheduler
from caviar.scheduler.execution.ray_environment import configure_ray_environment

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
AUTOSCALER = """\
cluster_name: small
max_workers: 2
provider: {type: fake_multinode, head_node_id: fffffffffffffffffffffffffffffffffffffffffffffffffffffff}
head_node_type: head
available_node_types:
  head: {resources: {CPU: 1}, node_config: {}, max_workers: 0}
  eight_gpus: {resources: {CPU: 8, GPU: 8}, labels: {ray.io/accelerator-type: H100}, node_config: {}, max_workers: 2}
"""


def mounting(mounts: str, *command: str | Path) -> list[str]:
    """A command that runs where some folders are other disks, as only it can see."""
    return [*UNSHARE, f'{mounts} && exec "$@"', "sh", *map(str, command)]


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def ray_node(command: list[str], **variables: str) -> Iterator[None]:
    """Runs `ray start --block` until the block ends; it has joined its cluster when the block begins."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **variables}
    )
    assert process.stdout is not None
    said = list[str]()
    try:
        for line in process.stdout:
            said.append(line)
            if "Ray runtime started" in line:
                break
        else:
            pytest.fail("".join(said))
        yield
    finally:
        process.terminate()
        process.communicate()


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
    (folder / "packages" / "one_of_a_kind").mkdir(parents=True)
    (folder / "packages" / "one_of_a_kind" / "__init__.py").write_text("OFFSET = 1\n")
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


@pytest.fixture(scope="session")
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
    storage, package = project / "sweeps", project / "packages" / "one_of_a_kind"
    scheduler = Path(next(iter(caviar.scheduler.__path__))).resolve()
    elsewhere = f"mount -t tmpfs -o size=4m none '{storage}' && mount -t tmpfs none '{package}'"
    read_only = f"mount --bind '{storage}' '{storage}' && mount -o remount,bind,ro '{storage}'"
    bare = f"{read_only} && mount -t tmpfs none '{scheduler}'"
    path = os.pathsep.join(filter(None, [str(project / "packages"), os.environ.get("PYTHONPATH")]))
    head = [
        *(str(RAY), "start", "--head", f"--port={address.partition(':')[2]}"),
        *("--num-cpus=1", "--labels=place=head", f"--autoscaling-config={file}", "--include-dashboard=false"),
        *(f"--temp-dir={short_folder()}", *SMALL),
    ]
    with ExitStack() as stack:
        stack.enter_context(ray_node(head, PYTHONPATH=path))
        for place, mounts in {"elsewhere": elsewhere, "bare": bare}.items():
            words = (RAY, "start", f"--address={address}", "--num-cpus=1", f"--labels=place={place}", *SMALL)
            stack.enter_context(ray_node(mounting(mounts, *words), PYTHONPATH=path))
        yield Ground(project, {"RAY_ADDRESS": address, "PYTHONPATH": path})


@pytest.fixture(scope="session")
def open_to_all(
    own_mounts: None, tmp_path_factory: pytest.TempPathFactory, short_folder: Callable[[], str]
) -> Iterator[Ground]:
    """A cluster of one node that asks for no token, listens on all interfaces and has little shared memory."""
    project = write_project(tmp_path_factory.mktemp("open"))
    port = free_port()
    words = (RAY, "start", "--head", f"--port={port}", "--num-cpus=1", "--include-dashboard=false")
    command = mounting("mount -t tmpfs -o size=32m none /dev/shm", *words, f"--temp-dir={short_folder()}", *SMALL)
    with ray_node(command, RAY_AUTH_MODE="disabled"):
        path = os.pathsep.join(filter(None, [str(project / "packages"), os.environ.get("PYTHONPATH")]))
        yield Ground(project, {"RAY_ADDRESS": f"127.0.0.1:{port}", "PYTHONPATH": path})
