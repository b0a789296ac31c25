"""One process runs a sweep at a time: a lock that the operating system frees when the process ends, however it ends."""

import fcntl
import os
import socket
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

import orjson

from ..errors import SweepError, SweepLockedError

_ATTEMPTS, _PAUSE_S = 20, 0.01


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that runs a sweep.

    Attributes:
        pid: Its process number on `host`.
        host: The machine's name.
        since: When it took the lock, UTC.
    """

    pid: int
    host: str
    since: datetime

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since:%Y-%m-%d %H:%M:%S} UTC"


class SweepLock:
    """The exclusive right to run the sweep in a directory, as a context manager.

    It is `flock` on a file that stays where it is, so a killed process never leaves a stale lock behind.

    Args:
        path: The lock file; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def __enter__(self) -> "SweepLock":
        """Take the lock.

        Raises:
            SweepLockedError: Another process has it; the message names the process, its machine and since when.
            SweepError: It is a link to some other file, which would be overwritten.
        """
        if self._path.is_symlink():
            raise SweepError(f"{self._path} is a link, and the lock has to be a file: remove it.")
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        # Whoever asks for the holder has the lock for an instant, so one refusal does not mean that a sweep runs.
        for attempt in range(_ATTEMPTS):
            if _try_lock(descriptor, fcntl.LOCK_EX):
                self._descriptor = descriptor
                _write_holder(descriptor)
                return self
            if attempt + 1 < _ATTEMPTS:
                time.sleep(_PAUSE_S)
        other = _read_holder(descriptor)
        os.close(descriptor)
        raise SweepLockedError(
            f"The sweep in {self._path.parent} is being run by {other or 'another process'}: "
            f"wait for it, stop it, or give this sweep another name."
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free the lock."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def holder(path: Path) -> Holder | None:
    """Who holds the lock at `path`; None when nobody does, or while a process is just taking it."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return None if _try_lock(descriptor, fcntl.LOCK_SH) else _read_holder(descriptor)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_holder(descriptor: int) -> None:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    data = orjson.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now})
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, data, 0)


def _read_holder(descriptor: int) -> Holder | None:
    try:
        content = orjson.loads(os.pread(descriptor, 4096, 0))
        return Holder(int(content["pid"]), str(content["host"]), datetime.fromisoformat(content["since"]))
    except (ValueError, KeyError, TypeError):
        return None
