"""DuckDB, polars and pandas read the results in one line: before the first report, while a run writes, and after."""

import subprocess
import sys
from collections.abc import Callable

import duckdb
import pandas as pd
import polars as pl
import pytest

from caviar.scheduler.core.trials.reports import ReportBatch
from caviar.scheduler.results import ReportWriter
from caviar.scheduler.storage import SweepDirectory

BatchOf = Callable[..., ReportBatch]

READERS: dict[str, Callable[[SweepDirectory], list[tuple[int, float]]]] = {
    "duckdb": lambda directory: duckdb.execute(
        f"select trial, min(val_loss) from '{directory.results}/*.parquet' group by 1 order by 1"
    ).fetchall(),
    "polars": lambda directory: (
        pl.read_parquet(f"{directory.results}/*.parquet").group_by("trial").agg(pl.min("val_loss")).sort("trial").rows()
    ),
    "pandas": lambda directory: list(pd.read_parquet(directory.results).groupby("trial")["val_loss"].min().items()),
}

READ_UNTIL_STOPPED = """
import sys
from pathlib import Path
import duckdb, pandas, polars
results, stop = Path(sys.argv[1]), Path(sys.argv[2])
readers = {
    "duckdb": lambda: duckdb.sql(f"select step, val_loss from '{results}/*.parquet'").fetchall(),
    "polars": lambda: polars.read_parquet(f"{results}/*.parquet").select("step", "val_loss").rows(),
    "pandas": lambda: list(pandas.read_parquet(results)[["step", "val_loss"]].itertuples(index=False, name=None)),
}
seen, reads = dict.fromkeys(readers, 0), 0
stopping = False
while True:
    stopping = stop.exists()
    for name, read in readers.items():
        rows = sorted(read())
        assert rows == [(step, 1 / step) for step in range(1, len(rows) + 1)], f"{name} read {rows}"
        assert len(rows) >= seen[name] and len(rows) % 10 == 0, f"{name}: {seen[name]} rows, then {len(rows)}"
        seen[name], reads = len(rows), reads + 1
    print("read", flush=True)
    if stopping:
        print(*seen.values())
        break
"""


@pytest.mark.parametrize("reader", READERS)
def test_one_line_reads_the_results_before_and_after_the_first_report(
    directory: SweepDirectory, batch_of: BatchOf, reader: str
) -> None:
    writer = ReportWriter(directory, {"lr": "float", "optimizer": "string"}, "val_loss")
    assert READERS[reader](directory) == []

    writer.register(0, {"lr": 0.1})
    writer.register(1, {"optimizer": "adam"})
    writer.append(batch_of([(0, 1), (0, 2), (1, 1)], val_loss=[0.5, 0.25, 0.75], accuracy=[0.1, 0.2, 0.3]))
    writer.flush()
    assert READERS[reader](directory) == [(0, 0.25), (1, 0.75)]

    writer.append(batch_of([(1, 2)], val_loss=[0.125], late=[1.0]))
    writer.flush()
    assert READERS[reader](directory) == [(0, 0.25), (1, 0.125)]


def test_another_process_reads_only_whole_flushes_while_parts_are_written(
    directory: SweepDirectory, batch_of: BatchOf
) -> None:
    writer = ReportWriter(directory, {"lr": "float"}, "val_loss")
    writer.register(0, {"lr": 0.1})
    stop = directory.path / "stop"
    command = [sys.executable, "-W", "error", "-c", READ_UNTIL_STOPPED, str(directory.results), str(stop)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        for flush in range(60):
            steps = range(10 * flush + 1, 10 * flush + 11)
            values = [1 / step for step in steps]
            writer.append(batch_of([(0, step) for step in steps], val_loss=values, accuracy=values))
            writer.flush()
            if flush % 10 == 0:
                reader.stdout.readline()
        stop.touch()
        output, errors = reader.communicate()

    assert reader.returncode == 0, errors
    assert output.splitlines()[-1] == "600 600 600"
