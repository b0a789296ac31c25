"""The output of training code in a process that is not its own: it goes where that process prints; its end is kept."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import TextIOBase
from typing import TextIO

from ..storage import Location
from .worker.output import Tail


class EchoedOutput:
    """Passes on the output of training code; it implements `Output`.

    The streams of the process are replaced while training code runs, and at no other time: the training of a group may
    rest between two steps, and text that is printed then is not the trial's.
    """

    def __init__(self) -> None:
        self._tail = Tail()
        self._out, self._err = _Echo(self._tail, sys.stdout), _Echo(self._tail, sys.stderr)

    @property
    def last(self) -> str:
        """The last 65,536 characters that were printed since the capture began."""
        return self._tail.text

    @contextmanager
    def captured(self, log: Location) -> Iterator[None]:
        """Forgets the text kept so far, and keeps the text printed from now on; it goes to no file."""
        self._tail.clear()
        yield

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Reads along with everything printed meanwhile."""
        self._out.stream, self._err.stream = sys.stdout, sys.stderr
        with redirect_stdout(self._out), redirect_stderr(self._err):
            yield

    def write(self, text: str) -> int:
        """Writes to the standard error of the process."""
        return self._err.write(text)


class _Echo(TextIOBase):
    """A stream that passes everything on to another; to a debugger it is the same terminal as the other one."""

    def __init__(self, tail: Tail, stream: TextIO) -> None:
        self._tail, self.stream = tail, stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.stream.encoding

    def fileno(self) -> int:
        return self.stream.fileno()

    def isatty(self) -> bool:
        return self.stream.isatty()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._tail.add(text)
        return self.stream.write(text)

    def flush(self) -> None:
        self.stream.flush()
