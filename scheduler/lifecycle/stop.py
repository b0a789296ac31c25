"""Stopping a sweep that another process runs."""

import time
from math import inf

from ...search_spaces.bounds import is_number
from ...search_spaces.values import show
from ..errors import SweepError
from ..storage import Holder, Location, ObjectPath, SweepDirectory, holder, locate

_LOOK_S = 0.1
_LOOK_OBJECT_S = 1.0


def stop_sweep(path: str | Location, timeout: float | None = None) -> Holder | None:
    """Asks a running sweep to stop and waits until it has: the steps being trained finish, and everything is saved.

    Args:
        path: The sweep's directory.
        timeout: Seconds to wait at most; as long as it takes if None.

    Returns:
        The process that ran the sweep; None when none did.

    Raises:
        SweepError: There is no sweep.
        TimeoutError: It is still running after the timeout; it stops all the same.
    """
    directory = SweepDirectory(locate(path))
    if timeout is not None and not (is_number(timeout) and timeout >= 0):
        raise SweepError(f"timeout: must be a number of seconds of at least 0, got {show(timeout)}.")
    directory.spec_text()
    asked = holder(directory.lock)
    if asked is None:
        return None
    directory.stop.touch()
    deadline = time.monotonic() + (inf if timeout is None else timeout)
    while _runs(directory, asked):
        if time.monotonic() >= deadline:
            raise TimeoutError(
                f"{directory.path}: {asked} was asked to stop and is still training after {timeout:g} s;"
                " it stops when the steps that are being trained end."
            )
        time.sleep(_LOOK_OBJECT_S if isinstance(directory.path, ObjectPath) else _LOOK_S)
    directory.stop.unlink(missing_ok=True)
    return asked


def _runs(directory: SweepDirectory, asked: Holder) -> bool:
    """True where the process that was asked still holds the lock; another one may have resumed the sweep since."""
    return holder(directory.lock) == asked
