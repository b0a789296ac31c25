"""The installed program, run as a person runs it, and one small sweep that has finished."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("caviar")

SPEC = """\
name: small
trainer: train.py:train
metric: loss
space:
  x: {uniform: [0.0, 1.0]}
  rate: {log: [1.0e-4, 1.0]}
  kind: {choice: [plain, "<b>bold</b>"]}
  width: {integer: [4, 64], when: {kind: [plain]}}
resource: {max: 9}
budget: {trials: 12}
workers: {count: 1}
"""

TRAINING = """\
print("imported by", __name__)


def train(trial):
    for step in trial.steps():
        yield {"loss": (trial.config["x"] - 0.3) ** 2 + 1 / step, "accuracy": 1 - 1 / (step + 1)}


def fail(trial):
    yield from ()
    raise ValueError("no such data")
"""

Caviar = Callable[..., subprocess.CompletedProcess[str]]


def environment(**variables: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "FORCE_COLOR"}}
    return {**inherited, "NO_COLOR": "1", **variables}


def start(*arguments: str | Path, cwd: Path) -> subprocess.Popen[str]:
    """Starts the program and does not wait for it."""
    command = [str(PROGRAM), *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=cwd, env=environment(), stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
    )


@pytest.fixture(scope="session")
def program() -> Caviar:
    """Runs the installed program to its end, as a person does."""

    def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        process = start(*arguments, cwd=cwd)
        out, err = process.communicate(timeout=110)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run


def write_project(folder: Path) -> Path:
    (folder / "sweep.yaml").write_text(SPEC)
    (folder / "train.py").write_text(TRAINING)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a spec and training code."""
    return write_project(tmp_path)


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory: pytest.TempPathFactory, program: Caviar
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A project whose sweep has run to its end in `sweeps/small`, and what the program said; nobody changes it."""
    folder = write_project(tmp_path_factory.mktemp("finished"))
    return folder, program("run", "sweep.yaml", cwd=folder)
