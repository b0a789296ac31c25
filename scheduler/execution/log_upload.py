"""Trial logs in an object store: written on this machine, and uploaded while they grow and when an assignment ends."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from ..errors import SweepError
from ..storage import Location, ObjectPath

_EVERY_S = 10.0
_PATIENCE = 20
"""After an upload it takes at least so many times as long until the next one: it holds the whole log."""


@contextmanager
def local_log(log: Location) -> Iterator[Path]:
    """A file to append to, which becomes a trial's log, or a part of it, meanwhile and at the end.

    Args:
        log: Where the log is to be; a file on the disk is appended to directly.
    """
    if isinstance(log, Path):
        yield log
        return
    try:
        folder = tempfile.TemporaryDirectory(prefix="caviar-", ignore_cleanup_errors=True)
    except OSError as error:
        _say(error)
        yield Path(os.devnull)
        return
    with folder as name:
        upload = _LogUpload(Path(name) / log.name, log)
        try:
            yield upload.file
        finally:
            upload.close()


class _LogUpload:
    def __init__(self, file: Path, log: ObjectPath) -> None:
        self.file, self._log = file, log
        self._earlier: bytes | None = None
        """What the trial printed before; None before it is read."""
        self._uploaded = 0
        self._pause_s = _EVERY_S
        self._ended = Event()
        self._thread = Thread(target=self._upload_now_and_then, name="log upload", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Uploads what is left."""
        self._ended.set()
        self._thread.join()
        self._upload()

    def _upload_now_and_then(self) -> None:
        while not self._ended.wait(self._pause_s):
            self._upload()

    def _upload(self) -> None:
        """Uploads the log if it has grown; where that fails it says so and training goes on."""
        began = time.monotonic()
        try:
            data = self.file.read_bytes()
            if len(data) == self._uploaded:
                return
            if self._earlier is None:
                self._earlier = _content(self._log)
            self._log.write_bytes(self._earlier + data)
            self._uploaded = len(data)
        except FileNotFoundError:
            return  # nothing was printed
        except (OSError, SweepError) as error:
            _say(error)
        self._pause_s = max(_EVERY_S, _PATIENCE * (time.monotonic() - began))


def _say(error: Exception) -> None:
    (sys.__stderr__ or sys.stderr).write(f"The log was not uploaded: {error}\n")


def _content(log: ObjectPath) -> bytes:
    try:
        return log.read_bytes()
    except FileNotFoundError:
        return b""
