"""Reports in columns: what workers send and what the Parquet parts are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
