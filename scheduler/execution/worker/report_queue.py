"""Reports on their way from the training thread to the driver: appended one by one, taken away as columns."""

from collections import deque
from collections.abc import Iterable, Mapping
from math import inf
from threading import Condition

import numpy as np
import numpy.typing as npt

from ...core.trials.assignment import Assignment
from ...core.trials.reports import ReportBatch

MOST_REPORTS = 200_000
"""Reports at which a worker stops training: the driver cannot write and asks for no more."""

MANY_REPORTS = 10_000
"""Reports that are handed on at once, whatever else is waited for."""

Metrics = Mapping[str, float]
_Row = tuple[int, int, int, int, int, int, float, Metrics]


class ReportQueue:
    """A queue of reports between two threads: one appends, and waits where too many are there; the other takes.

    Args:
        most: Reports that it holds at most, at least 1.
    """

    def __init__(self, most: int = MOST_REPORTS) -> None:
        self._rows: deque[_Row] = deque()
        self._most: float = most
        self._room = Condition()

    def __len__(self) -> int:
        return len(self._rows)

    def append(self, assignment: Assignment, step: int, time_us: int, elapsed_s: float, metrics: Metrics) -> None:
        """Adds one report, once there is room.

        Args:
            assignment: The work that made it.
            step: The step that was trained, from 1.
            time_us: Microseconds since the epoch.
            elapsed_s: Seconds of training of the trial so far.
            metrics: The metrics by name.
        """
        if len(self._rows) >= self._most:
            with self._room:
                self._room.wait_for(lambda: len(self._rows) < self._most)
        trial, attempt, bracket, rung = assignment.trial, assignment.attempt, assignment.bracket, assignment.rung
        self._rows.append((trial, attempt, bracket, rung, step, time_us, elapsed_s, metrics))

    def open_wide(self) -> None:
        """Takes any number of reports from now on: work that is to end must come to its end."""
        with self._room:
            self._most = inf
            self._room.notify_all()

    def drain(self) -> ReportBatch:
        """Removes and returns the reports that are there now, in order."""
        rows = [self._rows.popleft() for _ in range(len(self._rows))]
        with self._room:
            self._room.notify_all()
        if not rows:
            return ReportBatch.empty()
        trial, attempt, bracket, rung, step, time, elapsed, metrics = zip(*rows, strict=True)
        return ReportBatch(
            np.array(trial, np.int32),
            np.array(attempt, np.int32),
            np.array(bracket, np.int64),
            np.array(rung, np.int64),
            np.array(step, np.int64),
            np.array(time, np.int64),
            np.array(elapsed, np.float64),
            _columns(metrics),
        )


def _columns(metrics: Iterable[Metrics]) -> dict[str, npt.NDArray[np.float64]]:
    rows = list(metrics)
    names = dict.fromkeys(name for keys in dict.fromkeys(map(tuple, rows)) for name in keys)
    nan = float("nan")
    return {name: np.array([row.get(name, nan) for row in rows], np.float64) for name in names}
