"""What training code prints, on its way to the trial's log: the last of it is kept, and it is a sign of life."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import TextIOBase
from pathlib import Path

from ..storage import Location
from .trial_log import TrialLog, captured_output

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
        """Sends what Python code prints meanwhile to a trial's log, and gives the file on this machine."""
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
        """Writes out what is buffered."""
        if self._log is not None:
            self._log.flush()
