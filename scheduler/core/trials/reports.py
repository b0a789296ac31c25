"""Reports as columns, from workers and from simulated ones."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .assignment import Assignment
from .columns import REPORT_COLUMNS


@dataclass(frozen=True, slots=True)
class ReportBatch:
    """Reports of any number of trials, as columns of one length n.

    Attributes:
        trial: int32, the trial of each report.
        attempt: int32.
        bracket: int64.
        rung: int64, the rung of the assignment that made the report.
        step: int64, the step that was just trained, from 1.
        time: int64, microseconds since the epoch, UTC.
        elapsed_s: float64, seconds of training of the trial so far.
        metrics: float64 a name; NaN where a report has no such metric.
    """

    trial: npt.NDArray[np.int32]
    attempt: npt.NDArray[np.int32]
    bracket: npt.NDArray[np.int64]
    rung: npt.NDArray[np.int64]
    step: npt.NDArray[np.int64]
    time: npt.NDArray[np.int64]
    elapsed_s: npt.NDArray[np.float64]
    metrics: Mapping[str, npt.NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.trial)

    @classmethod
    def empty(cls) -> "ReportBatch":
        """A batch of no reports."""
        ints, floats = np.empty(0, np.int64), np.empty(0, np.float64)
        return cls(ints.astype(np.int32), ints.astype(np.int32), ints, ints, ints, ints, floats, {})

    @classmethod
    def concatenate(cls, batches: Sequence["ReportBatch"]) -> "ReportBatch":
        """One batch of all reports in order; a metric that a batch lacks is NaN there."""
        if len(batches) == 1:
            return batches[0]
        if not batches:
            return cls.empty()
        names = dict.fromkeys(name for batch in batches for name in batch.metrics)
        columns = {field: np.concatenate([getattr(batch, field) for batch in batches]) for field in REPORT_COLUMNS}
        metrics = {
            name: np.concatenate(
                [batch.metrics[name] if name in batch.metrics else np.full(len(batch), np.nan) for batch in batches]
            )
            for name in names
        }
        return cls(**columns, metrics=metrics)

    def last_steps(self) -> dict[int, int]:
        """The last step that each trial reports; a trial's reports stand in order."""
        if not len(self):
            return {}
        ends = np.append(np.flatnonzero(np.diff(self.trial)), len(self) - 1)
        return dict(zip(self.trial[ends].tolist(), self.step[ends].tolist(), strict=True))

    def select(self, keep: npt.NDArray[np.bool_]) -> "ReportBatch":
        """The reports where `keep` is true."""
        return ReportBatch(
            self.trial[keep],
            self.attempt[keep],
            self.bracket[keep],
            self.rung[keep],
            self.step[keep],
            self.time[keep],
            self.elapsed_s[keep],
            {name: values[keep] for name, values in self.metrics.items()},
        )


class CurveSegment(NamedTuple):
    """The reports of an assignment whose steps all take the same time.

    Attributes:
        work: The assignment.
        begin: When its first step began, in seconds.
        step_seconds: Seconds that a step takes.
        values: float64 [n], the metric after each step that is to be reported, from the one after
            `max(work.start, work.reported)`.
    """

    work: Assignment
    begin: float
    step_seconds: float
    values: npt.NDArray[np.float64]


class CurveSegments:
    """Segments in columns that grow: what they take is the metric's values and ten numbers each."""

    _FACTS = 10

    def __init__(self) -> None:
        self._facts, self._values = array("d"), array("d")

    def __len__(self) -> int:
        return len(self._facts) // self._FACTS

    def append(self, segment: CurveSegment) -> None:
        """Add a segment; its values are copied."""
        work, begin, step_seconds, values = segment
        first = max(work.start, work.reported)
        identity = work.trial, work.attempt, work.bracket, work.rung
        self._facts.extend((*identity, first, len(values), first - work.start, begin, step_seconds, work.elapsed_s))
        self._values.frombytes(values.tobytes())

    def batch(self, metric: str) -> ReportBatch:
        """The reports as columns, in the order in which they were added."""
        facts = np.array(self._facts).reshape(-1, self._FACTS).T
        trial, attempt, bracket, rung, first, counts, done = facts[:7].astype(np.int64)
        step = np.arange(1, counts.sum() + 1) - np.repeat(np.cumsum(counts) - counts, counts)
        begin, step_seconds, elapsed_s = (np.repeat(column, counts) for column in facts[7:])
        trained = step_seconds * (step + np.repeat(done, counts))
        return ReportBatch(
            np.repeat(trial.astype(np.int32), counts),
            np.repeat(attempt.astype(np.int32), counts),
            np.repeat(bracket, counts),
            np.repeat(rung, counts),
            step + np.repeat(first, counts),
            ((begin + trained) * 1e6).astype(np.int64),
            elapsed_s + trained,
            {metric: np.array(self._values)},
        )
