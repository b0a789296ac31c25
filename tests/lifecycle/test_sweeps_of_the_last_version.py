"""A sweep whose directory the last version wrote is read, examined and resumed by this one.

`written_by_0_1/second` was started from another sweep's results, interrupted, edited, and interrupted again, before
modules had folders and trials had parents; `expected.parquet` is the table that the same version then ended with.
"""

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from caviar.scheduler import Results, Sweep
from caviar.scheduler.analysis.status import SweepCondition, sweep_status
from caviar.scheduler.doctor.files import examine

WRITTEN = Path(__file__).with_name("written_by_0_1")
COLUMNS = ["trial", "state", "bracket", "rung", "step", "seed", "attempt", "value", "best_value", "best_step"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(WRITTEN / "second", tmp_path / "second"))


def columns(table: Any) -> list[dict[str, Any]]:
    names = [*COLUMNS, *(name for name in table.column_names if name.startswith("config_"))]
    rows: list[dict[str, Any]] = table.select(names).to_pylist()
    return rows


def test_it_is_read_and_in_order(directory: Path) -> None:
    status = sweep_status(directory)
    assert status.condition is SweepCondition.INTERRUPTED
    assert status.runs == 2
    assert status.progress.states["pending"] > 0, "it has work left"
    assert len(Results.open(directory).trials()) == 24
    assert Results.open(directory).sql("select count(*) as n from trials where parent is null")["n"].to_pylist() == [24]
    assert examine(directory).healthy


@pytest.mark.usefixtures("shared_ray")
def test_it_is_resumed_and_ends_with_the_table_that_the_last_version_ended_with(directory: Path) -> None:
    sweep = Sweep.resume(directory, trainer=f"{WRITTEN}/code.py:train")
    assert [edit.field for edit in sweep.edits] == ["trainer"]
    results = sweep.run()
    assert columns(results.trials()) == columns(pq.read_table(WRITTEN / "expected.parquet"))
    assert examine(directory).healthy
