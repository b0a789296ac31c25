"""One process runs a sweep at a time; a killed one holds nothing."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import pytest

from caviar.scheduler.errors import SweepLockedError
from caviar.scheduler.storage import Location, SweepLock, holder


@pytest.fixture(autouse=True)
def _prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else wants these locks in the same moment."""
    monkeypatch.setattr("caviar.scheduler.storage.lease._SETTLE_S", 0.05)


HOLD = """
import sys
from caviar.scheduler.storage import SweepLock, locate
with SweepLock(locate(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def second_process(path: Location) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_named_in_the_refusal(place: Location) -> None:
    with (
        second_process(place / "lock") as other,
        pytest.raises(SweepLockedError) as refusal,
        SweepLock(place / "lock"),
    ):
        pass

    message = str(refusal.value)
    assert str(place) in message
    assert f"process {other.pid} on {socket.gethostname()}, since 20" in message


def test_the_lock_is_free_at_once_when_its_process_is_killed(place: Location) -> None:
    with second_process(place / "lock") as other:
        other.kill()
        other.wait()

        assert holder(place / "lock") is None
        with SweepLock(place / "lock"):
            found = holder(place / "lock")
    assert found is not None
    assert found.pid == os.getpid()


def test_the_same_process_cannot_run_a_sweep_twice(place: Location) -> None:
    with (
        SweepLock(place / "lock"),
        pytest.raises(SweepLockedError, match=f"process {os.getpid()} "),
        SweepLock(place / "lock"),
    ):
        pass


def test_the_holder_is_known_while_the_lock_is_held(place: Location) -> None:
    before = datetime.now(timezone.utc) - timedelta(seconds=1)
    with SweepLock(place / "lock"):
        found = holder(place / "lock")

    assert found is not None
    assert (found.pid, found.host) == (os.getpid(), socket.gethostname())
    assert before <= found.since <= datetime.now(timezone.utc)
    assert holder(place / "lock") is None


def test_a_directory_that_was_never_run_has_no_holder(place: Location) -> None:
    assert holder(place / "lock") is None


def test_a_freed_lock_can_be_taken_again(place: Location) -> None:
    lock = SweepLock(place / "lock")
    for _ in range(2):
        with lock:
            assert holder(place / "lock") is not None
    assert holder(place / "lock") is None
