"""A real head of Ray with its Jobs API and a token, and the program as a person runs it against it."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

BIN = Path(sys.executable).parent

TRAINING = """\
import time
from pathlib import Path

from shapes import parabola

GATE = Path({gate!r})


class Nothing:
    def state_dict(self):
        return {{}}

    def load_state_dict(self, state):
        pass


def train(trial):
    trial.track(nothing=Nothing())
    assert (Path(__file__).parent / "data" / "numbers.csv").read_text() == "1,2,3"
    assert trial.data.read_text() == "1,2,3"
    for step in trial.steps():
        # The third trial waits in every step until the test opens the gate.
        while trial.number >= 2 and not GATE.exists():
            time.sleep(0.02)
        yield {{"loss": parabola(trial.config["x"]) + 1 / step}}
"""

SPEC = """\
name: gated
trainer: train.py:train
data: data/numbers.csv
metric: loss
space: {x: {uniform: [0, 1]}}
resource: {max: 9}
budget: {trials: 12}
workers: {count: 1}
"""


@dataclass(frozen=True)
class Head:
    """A running head.

    Attributes:
        address: The URL of its dashboard.
        storage: The folder that CAVIAR_STORAGE names there.
        token: The file of its token.
        process: Its first process.
    """

    address: str
    storage: Path
    token: Path
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """SIGKILL to everything that belongs to it, as when its machine loses its power."""
        first = psutil.Process(self.process.pid)
        for process in [first, *first.children(recursive=True)]:
            process.kill()
        self.process.wait()


Run = Callable[..., subprocess.CompletedProcess[str]]


def free_port() -> int:
    """A port below those that the system gives to whoever asks, which others may have taken before Ray listens."""
    while True:
        port = secrets.randbelow(10_000) + 20_000
        with socket.socket() as found, suppress(OSError):
            found.bind(("127.0.0.1", port))
            return port


def environment(head: Head | None, **variables: str) -> dict[str, str]:
    """Of a person's shell, with the head's token if it is given."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    token = {} if head is None else {"RAY_AUTH_TOKEN_PATH": str(head.token)}
    return {**mine, "NO_COLOR": "1", "HOME": "/nonexistent", **token, **variables}


@pytest.fixture(scope="session")
def head() -> Iterator[Head]:
    # Ray's sockets need a short path.
    folder = Path(tempfile.mkdtemp(prefix="cvh"))
    token = folder / "token"
    token.write_text(secrets.token_hex(32))
    token.chmod(0o600)
    (folder / "storage").mkdir()
    ports = [free_port() for _ in range(5)]
    options = ("port", "dashboard-port", "dashboard-agent-listen-port", "dashboard-agent-grpc-port")
    command = [str(BIN / "ray"), "start", "--head", "--block", "--num-cpus=2", "--object-store-memory=100000000"]
    command += [f"--{option}={port}" for option, port in zip(options, ports, strict=False)]
    command += ["--dashboard-host=127.0.0.1", f"--ray-client-server-port={ports[4]}", "--disable-usage-stats"]
    variables = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_TMPDIR": str(folder),
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "CAVIAR_STORAGE": str(folder / "storage"),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment(None, **variables), stdout=log, stderr=log)
    found = Head(f"http://127.0.0.1:{ports[1]}", folder / "storage", token, process)
    try:
        wait_until_it_answers(found)
        yield found
    finally:
        if process.poll() is None:
            found.kill()
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_it_answers(head: Head) -> None:
    request = urllib.request.Request(f"{head.address}/api/jobs/")
    request.add_header("Authorization", f"Bearer {head.token.read_text()}")
    while True:
        assert head.process.poll() is None, (head.token.parent / "log").read_text()
        try:
            urllib.request.urlopen(request, timeout=5).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
        else:
            return


def begin(head: Head, *arguments: str | Path, cwd: Path, **variables: str) -> subprocess.Popen[str]:
    """Starts the program against a head and does not wait for it."""
    pipe = subprocess.PIPE
    command = [str(BIN / "caviar"), *map(str, arguments), "--address", head.address]
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=environment(head, **variables),
        stdin=subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        text=True,
    )


@pytest.fixture(scope="session")
def there(head: Head, caviar: Run) -> Run:
    """Runs the program's main function against the head, as a person's shell has it."""

    def run(*arguments: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return caviar(*arguments, "--address", head.address, cwd=cwd, environment=environment(head, **variables))

    return run


@pytest.fixture(scope="session")
def here(caviar: Run) -> Run:
    """Runs the program's main function on this machine."""

    def run(*arguments: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return caviar(*arguments, cwd=cwd, environment=environment(None, **variables))

    return run


def write_project(folder: Path) -> Path:
    """A folder with a spec, training code of two modules, and data that git ignores."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sweep.yaml").write_text(SPEC)
    (folder / "train.py").write_text(TRAINING.format(gate=str(folder / "gate")))
    (folder / "shapes.py").write_text("def parabola(x):\n    return (x - 0.3) ** 2\n")
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "numbers.csv").write_text("1,2,3")
    (folder / ".gitignore").write_text("data/\nsecret.txt\ngate\n")
    (folder / "secret.txt").write_text("stays here")
    return folder
