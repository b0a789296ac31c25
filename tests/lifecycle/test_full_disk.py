"""A whole sweep on a disk that is really full: a small filesystem of its own, where a process may mount one."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from caviar.scheduler import Results

RUN = Path(__file__).with_name("run_on_a_full_disk.py")
COLUMNS = ["trial", "bracket", "rung", "step", "state", "value", "best_value", "best_step"]
MOUNT = 'mount -t tmpfs -o size=4m none "$0" && exec "$@"'
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def on_a_small_disk(disk: Path, *command: str) -> list[str]:
    """A command that runs with a filesystem of 4 MB at `disk`, which only it can see."""
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNT, str(disk), *command]


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.mkdir()
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare on this machine, and so no small disk for a test")
    tried = subprocess.run(on_a_small_disk(path, "true"), capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"this machine lets no test mount a small disk: {tried.stderr.strip()}")
    return path


def test_a_sweep_waits_for_space_can_be_interrupted_meanwhile_and_ends_with_the_table_of_one_with_room(
    reference: Results, disk: Path
) -> None:
    process = subprocess.Popen(
        on_a_small_disk(disk, sys.executable, str(RUN), str(disk)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "CAVIAR_TEST_PACE": "0.05"},
    )
    try:
        output, errors = process.communicate(timeout=200)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode == 0, output + errors
    lines = output.splitlines()
    assert lines.count("filled: No space left on device") == 2, output
    waiting = [line for line in lines if line.startswith("waiting: ")]
    assert len(waiting) == 6, output
    assert all(line.endswith("cannot be written (No space left on device); waiting for space") for line in waiting)
    assert lines.count("interrupted") == 1
    ended = json.loads(lines[-1])
    assert ended["trials"] == reference.trials().select(COLUMNS).to_pylist()
    assert ended["reports"] == [[row["trial"], step] for row in ended["trials"] for step in range(1, row["step"] + 1)]
