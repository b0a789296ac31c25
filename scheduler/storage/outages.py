"""Storage that cannot be written for a while: a full disk, a spent quota, a device or an object store that is gone."""

import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import ObjectStoreError, StorageError
from .location import Location

STORAGE_TIMEOUT_S = 1800.0
"""Seconds to wait for storage that cannot be written where nobody says another time."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_GONE = frozenset({errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ETIMEDOUT, errno.EROFS})
_FIRST_S, _LONGEST_S = 0.5, 30.0
_LITTLE = 1 << 20
"""Bytes: a disk with less is full to whatever just failed to write."""


def is_outage(error: BaseException, folder: Location) -> bool:
    """True where the storage is to blame for an error, or for one behind it, and the same may work later.

    Args:
        error: The error that writing raised.
        folder: The folder that it would have been written to.
    """
    for one in _chain(error):
        if isinstance(one, ObjectStoreError) or (isinstance(one, OSError) and one.errno in _FULL | _GONE):
            return True
    return isinstance(error, FileNotFoundError) and isinstance(folder, Path) and not folder.is_dir()


def is_full(folder: Location) -> bool:
    """True where the disk of a folder has next to no space left; false where that cannot be asked."""
    if not isinstance(folder, Path):
        return False
    try:
        facts = os.statvfs(folder)
    except OSError:
        return False
    return facts.f_bavail * facts.f_frsize < _LITTLE


def outage_words(error: BaseException | None) -> str:
    """A sentence that says what cannot be written, why, and what is waited for."""
    store = next((one for one in _chain(error) if isinstance(one, ObjectStoreError)), None)
    if store is not None:
        return f"{store.where} cannot be written ({store.reason}); waiting for it to come back"
    blamed: BaseException | None = next((one for one in _chain(error) if isinstance(one, OSError)), error)
    file = getattr(blamed, "filename", None) or "the sweep's directory"
    waiting = "space" if getattr(blamed, "errno", None) in _FULL else "it to come back"
    return f"{file} cannot be written ({getattr(blamed, 'strerror', None) or blamed}); waiting for {waiting}"


def pauses() -> Iterator[float]:
    """Seconds to wait before each try: longer and longer, up to half a minute."""
    pause = _FIRST_S
    while True:
        yield pause
        pause = min(2 * pause, _LONGEST_S)


class Outage:
    """Record of whether the storage can be written at present, since when not, and when to try again.

    Args:
        folder: The sweep's directory.
        limit_s: Seconds after which waiting ends.
        clock: A clock in seconds.
    """

    def __init__(self, folder: Location, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._limit_s, self._clock = folder, limit_s, clock
        self._reason: str | None = None
        self._since = self._next = 0.0
        self._pauses = pauses()

    @property
    def reason(self) -> str | None:
        """Words for what cannot be written and why; None while everything can."""
        return self._reason

    @property
    def due(self) -> bool:
        """True where it is time to try again."""
        return self._clock() >= self._next

    def failed(self, error: OSError | ObjectStoreError) -> None:
        """Notes that writing failed.

        Raises:
            StorageError: It has failed for too long, or will not work later either.
        """
        if isinstance(error, OSError) and not is_outage(error, self._folder):
            raise StorageError(
                f"{error.filename or self._folder} cannot be written ({error.strerror or error}): remove the cause and"
                f" resume the sweep; nothing that was recorded before is lost."
            ) from error
        self.waits(outage_words(error))
        self._next = self._clock() + next(self._pauses)

    def waits(self, reason: str) -> None:
        """Notes that someone waits for the storage.

        Raises:
            StorageError: It has lasted for too long.
        """
        now = self._clock()
        if self._reason is None:
            self._since, self._pauses = now, pauses()
        self._reason = reason
        if now - self._since >= self._limit_s:
            raise StorageError(
                f"{reason.partition(';')[0]} for {self._limit_s:g} s (storage_timeout): make room and resume the sweep;"
                f" nothing that was recorded before is lost."
            )

    def worked(self) -> None:
        """Notes that everything can be written."""
        self._reason = None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
