"""What all tests share: bounds by examples instead of by the clock, and a Ray that touches nothing of the person's."""

import atexit
import io
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("caviar", deadline=None)
settings.load_profile("caviar")

# Before anything imports Ray, for this process and those that it starts. Ray's sockets need a short path.
_ray = Path(tempfile.mkdtemp(prefix="cav"))
atexit.register(shutil.rmtree, _ray, ignore_errors=True)
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN_PATH"] = str(_ray / "token")
os.environ["RAY_TMPDIR"] = str(_ray)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files with slow tests first: one that began last would run alone."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def _falling(config: Any, seed: int) -> list[float]:
    """A loss that falls with the steps; the best learning rate is the largest, and nothing else matters much."""
    far = abs(np.log10(config["lr"])) + 0.02 * (config["kind"] == "b")
    return [float(value) for value in 0.3 * far + 1 / np.arange(1, 28)]


@pytest.fixture(scope="session")
def recorded() -> Callable[..., Path]:
    """Runs a sweep in virtual time and leaves the directory that a real one would; any field can be replaced."""
    # Once the environment is set: some of these import Ray.
    from caviar.scheduler.execution.interrupts import Interrupts  # noqa: PLC0415
    from caviar.scheduler.execution.loop import SweepLoop  # noqa: PLC0415
    from caviar.scheduler.execution.record import DurableRecord  # noqa: PLC0415
    from caviar.scheduler.execution.simulated import SimulatedExecutor  # noqa: PLC0415
    from caviar.scheduler.lifecycle.proposers import make_proposer  # noqa: PLC0415
    from caviar.scheduler.lifecycle.recorded import new_state  # noqa: PLC0415
    from caviar.scheduler.results import ReportWriter  # noqa: PLC0415
    from caviar.scheduler.spec.spec import SweepSpec  # noqa: PLC0415
    from caviar.scheduler.storage import Journal, SweepDirectory, write_file  # noqa: PLC0415

    def record(storage: Path, seconds: float = inf, **fields: Any) -> Path:
        space = {
            "lr": {"log": [1e-4, 1.0]},
            "beta": {"inverse_log": [0.9, 0.999], "when": {"kind": ["a"]}},
            "width": {"integer": [4, 64]},
            "kind": {"choice": ["a", "b"]},
        }
        common = {"name": "recorded", "trainer": None, "metric": "loss", "resource": {"max": 9}, "space": space}
        spec = SweepSpec.parse({**common, "budget": {"trials": 40}, "storage": storage, **fields})
        directory, types = SweepDirectory(spec.directory), spec.search_space.value_types
        directory.create()
        write_file(directory.spec, spec.to_yaml().encode(), directory.staging)
        journal = Journal.open(directory.journal)
        journal.append({"type": "opened", "time": 0.0, "versions": {}})
        durable = DurableRecord(directory, journal, ReportWriter(directory, types, spec.metric, spec.mode), types)
        executor = SimulatedExecutor(_falling, spec.metric, 1, proposer=make_proposer(spec))
        SweepLoop(new_state(spec), executor, durable, Interrupts(), seconds).run()
        durable.release()
        assert isinstance(directory.path, Path)
        return directory.path

    return record


@contextmanager
def as_in_its_own_process(arguments: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """This process has the arguments, folder and environment of another, and afterwards its own and no new logging."""
    logger = logging.getLogger("caviar")
    handlers, level = list(logger.handlers), logger.level
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        patch.setattr(sys, "argv", list(arguments))
        for name in os.environ.keys() - environment.keys():
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            yield
        finally:
            logger.handlers[:] = handlers
            logger.setLevel(level)


@pytest.fixture(scope="session")
def caviar() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the program's main function to its end in this process: one that reads, asks or refuses needs no other."""
    from caviar.scheduler.cli import main  # noqa: PLC0415

    def run(
        *arguments: str | Path, cwd: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        words, out, err = ["caviar", *map(str, arguments)], io.StringIO(), io.StringIO()
        plain = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "FORCE_COLOR"}}
        with (
            as_in_its_own_process(words, cwd, {"NO_COLOR": "1", **(plain if environment is None else environment)}),
            redirect_stdout(out),
            redirect_stderr(err),
            pytest.raises(SystemExit) as end,
        ):
            main()
        code = end.value.code
        assert code is None or isinstance(code, int)
        return subprocess.CompletedProcess(words, code or 0, out.getvalue(), err.getvalue())

    return run


class SharedRay:
    """The private Ray of this process: it starts when a test asks for it, and ends for one that needs another."""

    def __init__(self) -> None:
        self._running = ExitStack()

    def start(self) -> None:
        """Starts it unless it runs, with room for two workers of two processes."""
        # Ray reads the environment, which is set by now, when it is imported.
        import ray  # noqa: PLC0415

        from caviar.scheduler.execution.cluster.connect import ray_running  # noqa: PLC0415
        from caviar.scheduler.execution.cluster.environment import configure_ray_environment  # noqa: PLC0415

        configure_ray_environment()
        if not ray.is_initialized():
            self._running.enter_context(ray_running(4))

    def end(self) -> None:
        """Ends it if it runs."""
        self._running.close()


@pytest.fixture(scope="session")
def shared_ray() -> Iterator[SharedRay]:
    ray = SharedRay()
    yield ray
    ray.end()


@pytest.fixture(scope="module")
def running_ray(shared_ray: SharedRay) -> None:
    """A private Ray, which tests of other modules have used before."""
    shared_ray.start()


@pytest.fixture(scope="module")
def no_ray(shared_ray: SharedRay) -> None:
    """No Ray that this process would use instead of one that it is asked to start."""
    shared_ray.end()


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """The URI of a bucket on an S3 server of this process, which the environment points to from now on."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 most tests need none
    from pyarrow import fs  # noqa: PLC0415

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_REGION", "us-east-1")
        maker = fs.S3FileSystem(scheme="http", endpoint_override=f"{host}:{port}", allow_bucket_creation=True)
        maker.create_dir("bucket")
        yield "s3://bucket"
    server.stop()


@pytest.fixture
def prefix(bucket: str) -> str:
    """The URI of a place in the bucket that no other test uses."""
    return f"{bucket}/{uuid.uuid4().hex}"


@pytest.fixture(params=["disk", "object store"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """An empty place for a sweep: a folder, and a prefix in an object store."""
    from caviar.scheduler.storage import locate  # noqa: PLC0415

    return locate(request.getfixturevalue("prefix")) if request.param == "object store" else tmp_path
