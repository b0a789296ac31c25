"""The lock of a sweep in an object store: a lease, which its holder renews, since nothing frees it when it dies.

The lease is an object that names its holder. A thread writes it anew every few seconds. Whoever wants it waits until
that has stopped, writes a name of its own, and has it where that name still stands there a moment later. Object stores
cannot do better than that everywhere, so a holder also looks again before it writes anything of the sweep: one that has
lost its lease, because its machine slept for example, stops.
"""

import logging
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone

import orjson

from ..errors import SweepError, SweepLockedError
from .object_path import ObjectPath
from .process import Holder, is_running, refusal, this_machine

_logger = logging.getLogger(__name__)

_RENEW_S = 5.0
_DEAD_S = 30.0
_WATCH_S = 12.0
"""Seconds that a lease that looks dead is watched before it is taken: clocks of two machines may differ."""
_SETTLE_S = 1.0
_LOOK_S = 1.0
"""A lease that was seen to be one's own this lately is not looked at again."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """The content of the lease object.

    Attributes:
        token: Unique to one run of the sweep.
        holder: The process.
        machine: The machine on which its process number means something.
        renewed: When it was written last, by its own clock.
    """

    token: str
    holder: Holder
    machine: str
    renewed: datetime

    @classmethod
    def read(cls, path: ObjectPath) -> "_Entry | None":
        """The entry that stands there; None where nothing does that can be read."""
        try:
            content = orjson.loads(path.read_bytes())
            renewed = datetime.fromisoformat(content["renewed"])
            return cls(str(content["token"]), Holder.from_json(content), str(content["machine"]), renewed)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def write(self, path: ObjectPath) -> None:
        """Writes it, as renewed now."""
        now = datetime.now(timezone.utc).isoformat()
        path.write_bytes(
            orjson.dumps({"token": self.token, **self.holder.to_json(), "machine": self.machine, "renewed": now})
        )

    @property
    def gone(self) -> bool:
        """True where its process is one of this machine and has ended."""
        return self.machine == this_machine() and not is_running(self.holder.pid)

    @property
    def silent(self) -> bool:
        """True where it was not renewed for long, as far as this machine's clock can tell."""
        return abs((datetime.now(timezone.utc) - self.renewed).total_seconds()) > _DEAD_S


class Lease:
    """The exclusive right to run a sweep in an object store.

    Args:
        path: The lease object.
    """

    def __init__(self, path: ObjectPath) -> None:
        self._path = path
        self._entry = _Entry(uuid.uuid4().hex, Holder.this(), this_machine(), datetime.now(timezone.utc))
        self._lost: SweepLockedError | None = None
        self._seen = 0.0
        """When it was seen to be ours, on the monotonic clock."""
        self._access = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def acquire(self) -> None:
        """Takes the lease and keeps it until `release`.

        Raises:
            SweepLockedError: Another process has it.
        """
        _await_free(self._path)
        self._entry.write(self._path)
        try:
            time.sleep(_SETTLE_S)
        except BaseException:
            self._path.unlink(missing_ok=True)
            raise
        other = _Entry.read(self._path)
        if other is None or other.token != self._entry.token:
            raise refusal(self._path, None if other is None else other.holder)
        self._seen = time.monotonic()
        self._thread.start()

    def check(self) -> None:
        """Looks whether the lease is still ours, but at most once a second.

        Raises:
            SweepLockedError: It is not.
        """
        with self._access:
            if self._lost is not None:
                raise self._lost
            if time.monotonic() - self._seen >= _LOOK_S:
                self._look()

    def release(self) -> None:
        """Gives the lease back, if it is still ours."""
        self._ended.set()
        self._thread.join()
        try:
            with self._access:
                if self._lost is None:
                    self._look()
                    self._path.unlink(missing_ok=True)
        except SweepError as error:
            _logger.warning("The lock was not given back (%s); it ends by itself in half a minute.", error)

    def _look(self) -> None:
        found = _Entry.read(self._path)
        if found is None or found.token != self._entry.token:
            by = "is gone" if found is None else f"was taken by {found.holder}"
            self._lost = SweepLockedError(
                f"{self._path}: this process has lost its right to run the sweep; the lock {by}."
                " What was recorded before is safe; see caviar status."
            )
            raise self._lost
        self._seen = time.monotonic()

    def _renew(self) -> None:
        while not self._ended.wait(_RENEW_S):
            # Where the store does not answer now, it may the next time; that the lease is lost, `check` says.
            with suppress(SweepError), self._access:
                if self._lost is not None:
                    return
                self._look()
                self._entry.write(self._path)


def lease_holder(path: ObjectPath) -> Holder | None:
    """Who has the lease; None when nobody does."""
    found = _Entry.read(path)
    return None if found is None or found.gone or found.silent else found.holder


def _await_free(path: ObjectPath) -> None:
    """Returns when the lease can be taken.

    Raises:
        SweepLockedError: Its holder is alive.
    """
    found = _Entry.read(path)
    if found is None or found.gone:
        return
    if found.silent:
        _logger.info("%s was not renewed for a while: watching it for %g s.", path, _WATCH_S)
        time.sleep(_WATCH_S)
        if _Entry.read(path) in {None, found}:
            return
    raise refusal(path, found.holder)
