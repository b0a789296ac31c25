"""Output of training code: the last of it is kept, and all of it goes to the trial's log."""

import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import TextIOBase
from pathlib import Path
from threading import Event, Thread
from typing import TextIO

from ...errors import SweepError
from ...storage import Location, ObjectPath

_EVERY_S = 10.0
_PATIENCE = 20
"""Least wait after an upload, as a multiple of the time that it took: each one sends the whole log."""


@contextmanager
def local_log(log: Location) -> Iterator[Path]:
    """A file to append to, which becomes a trial's log, or a part of it, meanwhile and at the end.

    Args:
        log: The place of the log; a file on the disk is appended to directly.
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
        """The text that the trial printed before; None before it is read."""
        self._uploaded = 0
        self._pause_s = _EVERY_S
        self._ended = Event()
        self._thread = Thread(target=self._upload_now_and_then, name="log upload", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Uploads the rest."""
        self._ended.set()
        self._thread.join()
        self._upload()

    def _upload_now_and_then(self) -> None:
        while not self._ended.wait(self._pause_s):
            self._upload()

    def _upload(self) -> None:
        """Uploads the log if it has grown; a failure is printed, and training goes on."""
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


class TrialLog(TextIOBase):
    """A text stream into the log of whichever trial is being trained.

    A worker has one for all of its trials: a logging handler that the first trial made keeps writing to it, and its
    lines have to reach the trial that logs them. Outside of a trial it is the process's own standard error.

    Text that cannot be written, because the disk is full or gone, is dropped, and a line says so once the disk is back:
    a trial does not fail for its output.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._file: TextIO | None = None
        self._dropped: str | None = None
        """The reason why text was dropped since the last that was written."""

    @property
    def path(self) -> Path | None:
        """The file that is written to; None outside of a trial."""
        return self._path

    @contextmanager
    def open(self, path: Path) -> Iterator[None]:
        """Writes to a file meanwhile; the file is opened, for appending, at the first write."""
        self._path = path
        try:
            yield
        finally:
            self._path = self._dropped = None
            self._close()

    def writable(self) -> bool:
        """True: it is written like standard output."""
        return True

    def write(self, text: str) -> int:
        """Writes text; a line is in the file as soon as it ends."""
        if self._path is None:
            return (sys.__stderr__ or sys.stderr).write(text)
        try:
            file = self._open_file(self._path)
            if self._dropped is not None:
                file.write(f"[text is missing here that could not be written: {self._dropped}]\n")
                file.flush()
                self._dropped = None
            file.write(text)
        except OSError as error:
            self._drop(error)
        return len(text)

    def flush(self) -> None:
        """Writes out the buffer."""
        try:
            if self._file is not None:
                self._file.flush()
        except OSError as error:
            self._drop(error)

    def _open_file(self, path: Path) -> TextIO:
        if self._file is None:
            self._file = _opened(path)
        return self._file

    def _drop(self, error: OSError) -> None:
        self._dropped = error.strerror or str(error)
        self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()


def _opened(path: Path) -> TextIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not through a link: in a directory from somebody else it may lead to any file of this person's.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    return os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace", buffering=1)


_LOG = TrialLog()
"""The one log stream of this process, as `sys.stdout` is its one output."""


@contextmanager
def captured_output(path: Location) -> Iterator[TrialLog]:
    """Sends the output of Python code meanwhile to a trial's log."""
    with local_log(path) as file, _LOG.open(file), redirect_stdout(_LOG), redirect_stderr(_LOG):
        yield _LOG


_KEPT = 64 * 1024


class Tail:
    """Keeps the last 65,536 characters of a text that grows."""

    def __init__(self) -> None:
        self._pieces: deque[str] = deque()
        self._length = 0

    @property
    def text(self) -> str:
        """The characters."""
        return "".join(self._pieces)[-_KEPT:]

    def add(self, text: str) -> None:
        """Adds to the end of the text."""
        self._pieces.append(text[-_KEPT:])
        self._length += len(self._pieces[-1])
        while self._length - len(self._pieces[0]) >= _KEPT:
            self._length -= len(self._pieces.popleft())

    def clear(self) -> None:
        """Begins anew."""
        self._pieces.clear()
        self._length = 0


class TrialOutput(TextIOBase):
    """The standard output and error of training code.

    Args:
        heard: Called whenever something is printed.
    """

    def __init__(self, heard: Callable[[], None]) -> None:
        self._heard = heard
        self._log: TrialLog | None = None
        self._tail = Tail()

    @property
    def last(self) -> str:
        """The last 65,536 characters that were printed since the capture began."""
        return self._tail.text

    @contextmanager
    def captured(self, log: Location) -> Iterator[Path | None]:
        """Sends the output of Python code meanwhile to a trial's log, and gives the file on this machine."""
        self._tail.clear()
        with captured_output(log) as self._log, redirect_stdout(self), redirect_stderr(self):
            yield self._log.path

    def writable(self) -> bool:
        """True: it is written like standard output."""
        return True

    def write(self, text: str) -> int:
        """Writes text to the log of whichever trial is being trained."""
        self._heard()
        self._tail.add(text)
        assert self._log is not None, "whoever has this stream got it while output was captured"
        return self._log.write(text)

    def flush(self) -> None:
        """Writes out the buffer."""
        if self._log is not None:
            self._log.flush()
