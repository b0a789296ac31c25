"""Reports at equal distances in time, kept short: a simulation makes millions of them that nobody may ever read."""

from array import array
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .assignment import Assignment
from .reports import ReportBatch


class Stretch(NamedTuple):
    """The reports of an assignment whose steps all take the same time.

    Attributes:
        work: The assignment.
        begin: When its first step began, in seconds.
        step_seconds: What a step takes.
        values: float64 [n], the metric after each step that is to be reported, from the one after
            `max(work.start, work.reported)`.
    """

    work: Assignment
    begin: float
    step_seconds: float
    values: npt.NDArray[np.float64]


class Stretches:
    """Stretches in columns that grow: what they take is the metric's values and ten numbers each."""

    _FACTS = 10

    def __init__(self) -> None:
        self._facts, self._values = array("d"), array("d")

    def __len__(self) -> int:
        return len(self._facts) // self._FACTS

    def append(self, stretch: Stretch) -> None:
        """Add a stretch; its values are copied."""
        work, begin, step_seconds, values = stretch
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
