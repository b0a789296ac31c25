"""Requests to stop: Ctrl-C, SIGTERM, `caviar stop`, and failures that are to stop the sweep.

The first request lets running steps finish, saves checkpoints and writes everything; a second Ctrl-C ends the sweep at
once, which loses nothing that the journal holds.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import inf
from types import FrameType

from ..errors import SweepError, SweepStoppedError
from ..storage import Location, ObjectPath, exists

_LOOK_S = 1.0
"""Seconds between two looks for a stop object, at least."""


class Interrupts:
    """Collects requests to stop.

    Args:
        stop_file: A file whose appearance is a request; None watches no file.
    """

    def __init__(self, stop_file: Location | None = None) -> None:
        self._stop_file = stop_file
        self._stop_seen, self._looked = False, -inf
        self.signal: int | None = None
        """The signal that asked first, if one did."""
        self.failure: str | None = None
        """The sentence about the failure that is to stop the sweep, if there was one."""

    def requested(self) -> bool:
        """True where the sweep should stop."""
        return self.signal is not None or self._has_stop_file()

    @contextmanager
    def listening(self) -> Iterator["Interrupts"]:
        """Handles SIGINT and SIGTERM meanwhile; only in the main thread, since others get no signals."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.signal(number, self._receive) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def reraise(self) -> None:
        """Ends the program as the signal that asked would have; does nothing if none did.

        Raises:
            KeyboardInterrupt: It was Ctrl-C.
            SystemExit: It was SIGTERM, with 128 + 15.
            SweepStoppedError: It was a failure.
        """
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal is not None:
            raise SystemExit(128 + self.signal)
        if self.failure is not None:
            raise SweepStoppedError(self.failure)

    def _has_stop_file(self) -> bool:
        if not isinstance(self._stop_file, ObjectPath):
            return self._stop_file is not None and exists(self._stop_file)
        now = time.monotonic()
        if now - self._looked >= _LOOK_S:
            # A store that does not answer counts as one without a request.
            with suppress(SweepError):
                self._stop_seen = self._stop_file.exists()
            self._looked = time.monotonic()
        return self._stop_seen

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
