"""Ctrl-C on a terminal, `caviar stop` and SIGTERM, one after the other on one sweep."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from caviar.scheduler.lifecycle.stop import stop_sweep

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PROGRAM = Path(sys.executable).with_name("caviar")

SPEC = """\
name: gated
trainer: train.py:train
metric: loss
space: {x: {uniform: [0, 1]}}
resource: {max: 9}
budget: {trials: 12}
workers: {count: 1}
"""

TRAINING = """\
import time
from pathlib import Path

GATE = Path(__file__).with_name("gate")


def train(trial):
    for step in trial.steps():
        # The third trial waits in every step until the test opens the gate.
        while trial.number >= 2 and not GATE.exists():
            time.sleep(0.02)
        yield {"loss": trial.config["x"] + 1 / step}
"""


class Terminal:
    """The program on a terminal of its own."""

    def __init__(self, *arguments: str, cwd: Path) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 110, 0, 0))
        environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
        self.process = subprocess.Popen(
            [str(PROGRAM), *arguments],
            cwd=cwd,
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=slave,
            env={**environment, "TERM": "xterm-256color"},
            start_new_session=True,
            text=True,
        )
        os.close(slave)
        self.seen = ""

    def read_until(self, pattern: str) -> None:
        while not re.search(pattern, self.seen):
            chunk = self._read()
            assert chunk, f"it ended without {pattern!r}: {self.seen}"

    def read_to_end(self) -> None:
        while self._read():
            pass

    def press_ctrl_c(self) -> None:
        """What a terminal does then: the whole foreground group gets the signal."""
        os.killpg(self.process.pid, signal.SIGINT)

    def close(self) -> None:
        end(self.process)
        os.close(self._master)

    def _read(self) -> str:
        try:
            chunk = os.read(self._master, 65536).decode(errors="replace")
        except OSError:  # Linux says so when the other end is closed.
            return ""
        self.seen += chunk
        return chunk


def end(process: subprocess.Popen[str]) -> None:
    """Ends a program that a failed test has left running."""
    with process:
        if process.poll() is None:
            process.kill()


@pytest.fixture
def terminal(gated: Path) -> Iterator[Terminal]:
    """The sweep's first run on a terminal."""
    terminal = Terminal("run", "sweep.yaml", cwd=gated)
    yield terminal
    terminal.close()


@pytest.fixture
def resumed(gated: Path) -> Iterator[subprocess.Popen[str]]:
    """The sweep going on without a terminal."""
    command = [str(PROGRAM), "resume", "sweeps/gated"]
    process = subprocess.Popen(command, cwd=gated, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    yield process
    end(process)


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gated")
    (folder / "sweep.yaml").write_text(SPEC)
    (folder / "train.py").write_text(TRAINING)
    return folder


@pytest.fixture(autouse=True)
def closed_gate(gated: Path) -> Iterator[None]:
    (gated / "gate").unlink(missing_ok=True)
    yield
    (gated / "gate").touch()


def wait_for(happened: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Looks until something has happened in another process that says nothing when it does."""
    while not happened():
        assert process.poll() is None, "the program ended"
        time.sleep(0.05)


def status(gated: Path, caviar: Any) -> Any:
    return json.loads(caviar("status", "sweeps/gated", "--json", cwd=gated).stdout)


def test_a_terminal_shows_brackets_and_ctrl_c_ends_with_130_and_the_way_on(
    terminal: Terminal, gated: Path, caviar: Any
) -> None:
    terminal.read_until(r"(?s)trials .*3 epochs.*best loss")
    assert "\x1b[" in terminal.seen
    assert re.search(r"\d+/5", terminal.seen), "how full the rungs are"
    terminal.press_ctrl_c()
    terminal.read_until("stopping after the running steps of trial 2 ")
    (gated / "gate").touch()
    terminal.read_to_end()
    out, _ = terminal.process.communicate()
    assert terminal.process.returncode == 130
    assert out == ""
    assert "caviar resume sweeps/gated" in terminal.seen
    found = status(gated, caviar)
    assert (found["condition"], found["runs"]) == ("interrupted", 1)
    assert found["best"] is not None


def test_stop_waits_until_the_running_steps_have_ended(
    resumed: subprocess.Popen[str], gated: Path, caviar: Any
) -> None:
    wait_for(lambda: status(gated, caviar)["progress"]["states"].get("running"), resumed)
    impatient = caviar("stop", "sweeps/gated", "--timeout", "0", cwd=gated)
    assert impatient.returncode == 1
    assert "was asked to stop and is still training" in impatient.stderr
    (gated / "gate").touch()
    stopped = stop_sweep(gated / "sweeps" / "gated")
    out, err = resumed.communicate()
    assert stopped is None or stopped.pid == resumed.pid
    assert resumed.returncode == 130
    assert out == ""
    assert "caviar resume sweeps/gated" in err
    assert caviar("stop", "sweeps/gated", cwd=gated).stdout == "no process is running this sweep\n"


def test_sigterm_ends_with_143_and_a_second_process_is_refused_before(
    resumed: subprocess.Popen[str], gated: Path, caviar: Any
) -> None:
    wait_for(lambda: status(gated, caviar)["progress"]["states"].get("running"), resumed)
    second = caviar("resume", "sweeps/gated", cwd=gated)
    assert second.returncode == 2
    assert f"process {resumed.pid} on " in second.stderr
    resumed.send_signal(signal.SIGTERM)
    (gated / "gate").touch()
    out, err = resumed.communicate()
    assert resumed.returncode == 143
    assert out == ""
    assert "caviar resume sweeps/gated" in err


def test_what_was_stopped_three_times_finishes(running_ray: None, gated: Path, caviar: Any) -> None:
    (gated / "gate").touch()
    run = caviar("resume", "sweeps/gated", "--json", cwd=gated)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["trials"] == 12
    assert status(gated, caviar)["condition"] == "finished"


def test_a_sweep_without_a_successful_trial_has_failed(running_ray: None, project: Path, caviar: Any) -> None:
    run = caviar("run", "sweep.yaml", "--set", "trainer=train.py:fail", "--set", "budget.trials=2", cwd=project)
    assert run.returncode == 1
    assert run.stdout == ""
    assert "error: no trial of 2 succeeded: 2 failed; the first said ValueError: no such data" in run.stderr
    assert "Traceback" not in run.stderr
