"""Reports on their way from the training thread to the driver: appended one by one, taken away as columns."""

from collections import deque
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from ..core.assignment import Assignment
from ..core.reports import ReportBatch

Metrics = Mapping[str, float]
_Row = tuple[int, int, int, int, int, int, float, Metrics]


class ReportQueue:
    """A queue of reports between two threads: one appends, the other takes."""

    def __init__(self) -> None:
        self._rows: deque[_Row] = deque()

    def __len__(self) -> int:
        return len(self._rows)

    def append(self, assignment: Assignment, step: int, time_us: int, elapsed_s: float, metrics: Metrics) -> None:
        """Adds one report.

        Args:
            assignment: The work that made it.
            step: The step that was trained, from 1.
            time_us: Microseconds since the epoch.
            elapsed_s: Seconds of training of the trial so far.
            metrics: The metrics by name.
        """
        trial, attempt, bracket, rung = assignment.trial, assignment.attempt, assignment.bracket, assignment.rung
        self._rows.append((trial, attempt, bracket, rung, step, time_us, elapsed_s, metrics))

    def take(self) -> ReportBatch:
        """Removes and returns the reports that are there now, in order."""
        rows = [self._rows.popleft() for _ in range(len(self._rows))]
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
