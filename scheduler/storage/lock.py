"""One process runs a sweep at a time: a lock that the operating system frees when the process ends, however it ends."""

import fcntl
import os
import time
from types import TracebackType

import orjson

from ..errors import SweepError
from .lease import Lease, lease_holder
from .location import Location
from .object_path import ObjectPath
from .process import Holder, refusal

_ATTEMPTS, _PAUSE_S = 20, 0.01


class SweepLock:
    """The exclusive right to run the sweep in a directory, as a context manager.

    On a disk it is `flock` on a file that stays where it is, so a killed process never leaves a stale lock behind.
    In an object store it is a `Lease`.

    Args:
        path: The lock file; its folder exists.
    """

    def __init__(self, path: Location) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._lease: Lease | None = None

    def __enter__(self) -> "SweepLock":
        """Take the lock.

        Raises:
            SweepLockedError: Another process has it; the message names the process, its machine and since when.
            SweepError: It is a link to some other file, which would be overwritten.
        """
        if isinstance(self._path, ObjectPath):
            lease = Lease(self._path)
            lease.acquire()
            self._lease = lease
            return self
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
        raise refusal(self._path, other)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free the lock."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None
        if self._lease is not None:
            self._lease.release()
            self._lease = None

    def check(self) -> None:
        """Makes sure that the lock is still held, which on a disk is certain.

        Raises:
            SweepLockedError: It was lost.
        """
        if self._lease is not None:
            self._lease.check()


def holder(path: Location) -> Holder | None:
    """Who holds the lock at `path`; None when nobody does, or while a process is just taking it."""
    if isinstance(path, ObjectPath):
        return lease_holder(path)
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
    data = orjson.dumps(Holder.this().to_json())
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, data, 0)


def _read_holder(descriptor: int) -> Holder | None:
    try:
        return Holder.from_json(orjson.loads(os.pread(descriptor, 4096, 0)))
    except ValueError:
        return None
