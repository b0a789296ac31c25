"""A trial's log: what its code prints goes to `logs/<trial>.log`, a file that exists only if something was printed."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import TextIOBase
from pathlib import Path
from typing import TextIO

from ..storage import Location
from .log_upload import local_log


class TrialLog(TextIOBase):
    """A text stream into the log of whichever trial is being trained.

    A worker has one for all of its trials: a logging handler that the first trial made keeps writing to it, and its
    lines have to reach the trial that logs them. Outside of a trial it is the process's own standard error.

    What cannot be written, because the disk is full or gone, is dropped, and a line says so once it can be: a trial
    does not fail for what it prints.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._file: TextIO | None = None
        self._dropped: str | None = None
        """Why text was dropped since the last that was written."""

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
        """Writes out what is buffered."""
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
"""The one of this process, as `sys.stdout` is."""


@contextmanager
def captured_output(path: Location) -> Iterator[TrialLog]:
    """Sends what Python code prints meanwhile to a trial's log."""
    with local_log(path) as file, _LOG.open(file), redirect_stdout(_LOG), redirect_stderr(_LOG):
        yield _LOG
