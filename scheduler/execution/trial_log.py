"""A trial's log: what its code prints goes to `logs/<trial>.log`, a file that exists only if something was printed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import TextIOBase
from pathlib import Path
from typing import TextIO


class TrialLog(TextIOBase):
    """A text stream that opens its file, for appending, at the first write.

    Args:
        path: The log file; None sends everything to the process's own standard error.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: TextIO | None = None

    def writable(self) -> bool:
        """True: it is written like standard output."""
        return True

    def write(self, text: str) -> int:
        """Writes text; a line is in the file as soon as it ends."""
        if self._path is None:
            return (sys.__stderr__ or sys.stderr).write(text)
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="utf-8", buffering=1)
        return self._file.write(text)

    def flush(self) -> None:
        """Writes out what is buffered."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Closes the file if it was opened."""
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()


@contextmanager
def captured_output(path: Path | None) -> Iterator[TrialLog]:
    """Sends what Python code prints meanwhile to a trial's log."""
    log = TrialLog(path)
    with redirect_stdout(log), redirect_stderr(log):
        try:
            yield log
        finally:
            log.close()
