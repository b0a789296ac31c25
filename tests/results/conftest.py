from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from caviar.scheduler.core.trials.reports import ReportBatch
from caviar.scheduler.storage import SweepDirectory


class BatchOf(Protocol):
    def __call__(self, keys: Sequence[tuple[int, int]], **metrics: Sequence[float]) -> ReportBatch: ...


@pytest.fixture
def directory(tmp_path: Path) -> SweepDirectory:
    directory = SweepDirectory(tmp_path / "digits")
    directory.create()
    return directory


@pytest.fixture(scope="session")
def batch_of() -> BatchOf:
    """Makes a batch of reports from (trial, step) pairs and a list of values a metric."""

    def make(keys: Sequence[tuple[int, int]], **metrics: Sequence[float]) -> ReportBatch:
        trial, step = np.array(keys, np.int64).reshape(-1, 2).T
        n = len(trial)
        return ReportBatch(
            trial=trial.astype(np.int32),
            attempt=np.zeros(n, np.int32),
            bracket=np.full(n, 2),
            rung=np.full(n, 1),
            step=step,
            time=np.full(n, 1_763_600_000_000_000),
            elapsed_s=step * 0.5,
            metrics={name: np.array(values, np.float64) for name, values in metrics.items()},
        )

    return make
