"""A trial's log: what its code prints goes to `logs/<trial>.log`, a file that exists only if something was printed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import TextIOBase
from pathlib import Path
from typing import TextIO

from ..storage import Location
from .log_upload import local_log


class TrialLog(TextIOBase):
    """A text stream into the log of whichever trial is being trained.

    A worker has one for all of its trials: a logging handler that the first trial made keeps writing to it, and its
    lines have to reach the trial that logs them. Outside of a trial it is the process's own standard error.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._file: TextIO | None = None

    @contextmanager
    def open(self, path: Path) -> Iterator[None]:
        """Writes to a file meanwhile; the file is opened, for appending, at the first write."""
        self._path = path
        try:
            yield
        finally:
            self._path = None
            if self._file is not None:
                self._file.close()
                self._file = None

    def writable(self) -> bool:
        """True: it is written like standard output."""
        return True

    def write(self, text: str) -> int:
        """Writes text; a line is in the file as soon as it ends."""
        if self._path is None:
            return (sys.__stderr__ or sys.stderr).write(text)
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
        return self._file.write(text)

    def flush(self) -> None:
        """Writes out what is buffered."""
        if self._file is not None:
            self._file.flush()


_LOG = TrialLog()
"""The one of this process, as `sys.stdout` is."""


@contextmanager
def captured_output(path: Location) -> Iterator[TrialLog]:
    """Sends what Python code prints meanwhile to a trial's log."""
    with local_log(path) as file, _LOG.open(file), redirect_stdout(_LOG), redirect_stderr(_LOG):
        yield _LOG
