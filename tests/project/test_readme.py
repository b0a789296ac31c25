"""The README is true: its code blocks run, from top to bottom, in one folder, as a reader would run them."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import takewhile
from pathlib import Path
from string import Template

import duckdb
import pytest

README = Path(__file__).parents[2] / "README.md"
_PORTS = ("dashboard-agent-listen-port", "dashboard-agent-grpc-port", "ray-client-server-port")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    """Language and text of every fenced block, in order."""
    return _BLOCK.findall(README.read_text(encoding="utf-8"))


def commands(text: str) -> Iterator[str]:
    """The lines that a reader types, without their comments."""
    for line in text.splitlines():
        if line.startswith("$ "):
            yield line.removeprefix("$ ").split("  #")[0].strip()


def free_ports(count: int) -> list[int]:
    """Ports on which nobody listens."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Reader:
    """Somebody who follows the README in an empty folder.

    Args:
        folder: The folder.
        ray_folder: Where the Ray that the reader starts lives.
    """

    def __init__(self, folder: Path, ray_folder: Path) -> None:
        self.folder, self.ray_folder = folder, ray_folder
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        storage = {"CAVIAR_STORAGE": str(ray_folder / "storage")}  # in the place of the home folder
        self.environment = {**os.environ, "PATH": path, "RAY_TMPDIR": str(ray_folder), **storage}
        self.ports = free_ports(1 + len(_PORTS))

    def follow(self, language: str, text: str) -> None:
        """Does what a block says."""
        if language == "python":
            self._run([sys.executable, self._write("script.py", text)])
        elif language == "yaml":
            self._write(text.splitlines()[0].removeprefix("# "), text)
        elif language == "sql":
            found = duckdb.sql(text.replace("'sweeps", f"'{self.folder}/sweeps"))
            assert found is not None
            assert found.fetchall()
        else:
            for command in commands(text):
                self._type(command)

    def leave(self) -> None:
        """Ends the Ray that the reader started, and nobody else's."""
        mark = f"RAY_TMPDIR={self.ray_folder}\0".encode()
        for environment in Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in environment.read_bytes() and int(environment.parent.name) != os.getpid():
                    os.kill(int(environment.parent.name), signal.SIGKILL)
            except (OSError, ProcessLookupError):
                continue

    def _type(self, command: str) -> None:
        if command.startswith("make "):
            return  # these two make the environment that this test runs in, and this test itself
        if command == "ray stop":
            self.leave()  # `ray stop` would end every Ray on this machine
            return
        # Ports of its own, beside other Rays.
        command = Template(command.replace("8265", str(self.ports[0]))).safe_substitute(self.environment)
        if command.startswith("ray start"):
            command += " --port 0" + "".join(
                f" --{name} {port}" for name, port in zip(_PORTS, self.ports[1:], strict=True)
            )
        words = shlex.split(command, comments=True)
        if words[0] == "export":
            self.environment |= dict(word.split("=", 1) for word in words[1:])
            return
        settings = list(takewhile(lambda word: "=" in word, words))
        self._run(words[len(settings) :], dict(setting.split("=", 1) for setting in settings))

    def _run(self, arguments: list[str], settings: dict[str, str] | None = None) -> None:
        environment = {**self.environment, **(settings or {})}
        done = subprocess.run(
            arguments, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=240
        )
        assert done.returncode == 0, f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"

    def _write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text, encoding="utf-8")
        return name


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    # Ray's sockets lie below this folder, and the length of a socket's path is limited.
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp", ignore_cleanup_errors=True) as ray_folder:
        reader = Reader(tmp_path, Path(ray_folder))
        yield reader
        reader.leave()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_code_block_of_the_readme_runs_from_top_to_bottom(reader: Reader) -> None:
    for language, text in blocks():
        reader.follow(language, text)
    assert list(reader.folder.glob("sweeps/*/results/*.parquet"))


@pytest.mark.checkout
def test_every_file_that_the_readme_points_to_exists() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (README.parent / target).exists()]
    assert not missing
