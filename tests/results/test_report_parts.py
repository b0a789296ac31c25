"""Report parts: one schema, every row, the right types and encodings."""

import logging
import math
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caviar.scheduler.core.trials.reports import ReportBatch
from caviar.scheduler.errors import InvalidSpecError, ResultsError
from caviar.scheduler.results import ReportWriter, Results, drop_uncovered, find_parts, reported_through
from caviar.scheduler.storage import SweepDirectory
from caviar.search_spaces import Value

BatchOf = Callable[..., ReportBatch]

VALUE_TYPES = {"lr": "float", "hidden": "integer", "nesterov": "boolean", "optimizer": "string", "layers": "json"}
CONFIG: dict[str, Value] = {
    "lr": 0.1,
    "hidden": 64,
    "nesterov": True,
    "optimizer": "sgd",
    "layers": [64, {"dropout": 0.5}],
}


def writer_in(directory: SweepDirectory) -> ReportWriter:
    return ReportWriter(directory, VALUE_TYPES, "val_loss")


def parts(directory: SweepDirectory) -> list[Path]:
    assert isinstance(directory.results, Path)
    return sorted(directory.results.iterdir())


def test_a_part_without_rows_is_there_from_the_start(directory: SweepDirectory) -> None:
    writer_in(directory)

    (part,) = parts(directory)
    assert part.name == "part-000000.parquet"
    assert pq.read_table(part).num_rows == 0


def test_the_columns_and_their_types_are_the_documented_ones(directory: SweepDirectory) -> None:
    writer_in(directory)

    schema = pq.read_schema(parts(directory)[0])
    assert {field.name: str(field.type) for field in schema if field.name != "extra"} == {
        "trial": "int32",
        "attempt": "int32",
        "bracket": "int64",
        "rung": "int64",
        "step": "int64",
        "time": "timestamp[us, tz=UTC]",
        "elapsed_s": "double",
        "config_lr": "double",
        "config_hidden": "int64",
        "config_nesterov": "bool",
        "config_optimizer": "string",
        "config_layers": "string",
        "val_loss": "double",
    }
    assert schema.names[-1] == "extra"
    assert schema.field("extra").type == pa.map_(pa.string(), pa.float64())
    assert all(field.nullable for field in schema if field.name.startswith("config_"))
    assert schema.metadata[b"caviar.metric"] == b"val_loss"
    assert schema.metadata[b"caviar.mode"] == b"min"
    assert schema.metadata[b"caviar.version"] == version("caviar").encode()


def test_each_type_has_its_encoding(directory: SweepDirectory, batch_of: BatchOf) -> None:
    writer = writer_in(directory)
    writer.register(0, CONFIG)
    writer.append(batch_of([(0, 1), (0, 2)], val_loss=[0.5, 0.25]))
    part = writer.flush()

    group = pq.ParquetFile(part).metadata.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert {column.compression for column in columns.values()} == {"ZSTD"}
    encoded = {
        kind: {name for name, column in columns.items() if kind in column.encodings}
        for kind in ("DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT", "RLE_DICTIONARY")
    }
    assert encoded == {
        "DELTA_BINARY_PACKED": {"trial", "attempt", "bracket", "rung", "step", "time", "config_hidden"},
        "BYTE_STREAM_SPLIT": {"elapsed_s", "config_lr", "val_loss", "extra.key_value.value"},
        "RLE_DICTIONARY": {"config_optimizer", "config_layers", "extra.key_value.key"},
    }


def test_reports_carry_their_configuration_and_inactive_names_are_null(
    directory: SweepDirectory, batch_of: BatchOf
) -> None:
    writer = writer_in(directory)
    writer.register(7, CONFIG)
    writer.register(2000, {"lr": 0.5})
    writer.append(batch_of([(2000, 1), (7, 1)], val_loss=[1.0, 2.0]))
    part = writer.flush()

    configs = pq.read_table(part).select([f"config_{name}" for name in VALUE_TYPES]).to_pylist()
    expected = {**CONFIG, "layers": '[64,{"dropout":0.5}]'}
    assert configs[0] == {f"config_{name}": value for name, value in expected.items()}
    assert configs[1] == {f"config_{name}": 0.5 if name == "lr" else None for name in VALUE_TYPES}


def test_a_report_of_an_unknown_trial_is_refused(directory: SweepDirectory, batch_of: BatchOf) -> None:
    writer = writer_in(directory)
    writer.register(0, CONFIG)
    writer.append(batch_of([(0, 1), (5000, 1)], val_loss=[1.0, 1.0]))

    with pytest.raises(ValueError, match="trial 5000 reported before its configuration was registered"):
        writer.flush()


def test_a_sweep_without_hyperparameters_has_reports_too(directory: SweepDirectory, batch_of: BatchOf) -> None:
    writer = ReportWriter(directory, {}, "val_loss")
    writer.register(0, {})
    writer.append(batch_of([(0, 1)], val_loss=[1.0]))
    writer.flush()

    assert Results.open(directory.path).best.config == {}


def test_rows_are_buffered_until_a_flush_makes_one_part_of_them(directory: SweepDirectory, batch_of: BatchOf) -> None:
    writer = writer_in(directory)
    writer.register(0, CONFIG)
    assert writer.flush() is None

    writer.append(batch_of([(0, 1), (0, 2)], val_loss=[3.0, 2.0]))
    writer.append(batch_of([(0, 3)], val_loss=[1.0]))
    assert writer.rows_buffered == 3
    part = writer.flush()

    assert writer.rows_buffered == 0
    assert writer.flush() is None
    assert part == directory.results / "part-000001.parquet"
    assert pq.read_table(part, columns=["step"])["step"].to_pylist() == [1, 2, 3]
    assert not list(directory.staging.iterdir())


def test_a_flush_that_fails_keeps_its_rows_for_the_next(
    directory: SweepDirectory, batch_of: BatchOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = writer_in(directory)
    writer.register(0, CONFIG)
    writer.append(batch_of([(0, 1)], val_loss=[1.0]))

    shutil.rmtree(str(directory.staging))
    with pytest.raises(FileNotFoundError):
        writer.flush()
    directory.create()
    writer.flush()

    assert Results.open(directory.path).reports().num_rows == 1


def test_metrics_of_the_first_flush_get_columns_in_every_part(directory: SweepDirectory, batch_of: BatchOf) -> None:
    writer = writer_in(directory)
    writer.register(0, CONFIG)
    writer.append(batch_of([(0, 1)], train_loss=[2.0], val_loss=[3.0]))
    writer.append(batch_of([(0, 2)], val_loss=[2.5], accuracy=[0.5]))
    writer.flush()

    first, second = (pq.read_schema(part) for part in parts(directory))
    assert first.equals(second, check_metadata=True)
    assert first.names[-4:] == ["val_loss", "train_loss", "accuracy", "extra"]
    rows = pq.read_table(directory.results).select(["val_loss", "train_loss", "accuracy", "extra"]).to_pylist()
    assert rows == [
        {"val_loss": 3.0, "train_loss": 2.0, "accuracy": None, "extra": None},
        {"val_loss": 2.5, "train_loss": None, "accuracy": 0.5, "extra": None},
    ]


def test_metrics_that_come_later_go_to_extra_with_one_warning_a_name(
    directory: SweepDirectory, batch_of: BatchOf, caplog: pytest.LogCaptureFixture
) -> None:
    writer = writer_in(directory)
    writer.register(0, CONFIG)
    with caplog.at_level(logging.WARNING):
        for step in (1, 2, 3):
            late = {"bleu": [step / 4]} if step > 1 else {}
            writer.append(batch_of([(0, step)], val_loss=[1.0], **late))
            writer.flush()

    schemas = [pq.read_schema(part) for part in parts(directory)]
    assert all(schema.equals(schemas[0], check_metadata=True) for schema in schemas)
    assert [record.getMessage() for record in caplog.records] == [
        "Metric 'bleu' was not in the first reports: it is kept in the column 'extra'."
    ]
    assert pq.read_table(directory.results)["extra"].to_pylist() == [None, [("bleu", 0.5)], [("bleu", 0.75)]]
    assert Results.open(directory.path).reports()["bleu"].to_pylist() == [None, 0.5, 0.75]


@pytest.mark.parametrize("name", ["step", "Step", "extra", "config_lr"])
def test_metrics_with_the_name_of_another_column_are_kept_in_extra(
    directory: SweepDirectory, batch_of: BatchOf, name: str
) -> None:
    writer = writer_in(directory)
    writer.register(0, CONFIG)
    writer.append(batch_of([(0, 1)], **{"val_loss": [1.0], name: [7.0]}))
    writer.flush()

    reports = Results.open(directory.path).reports()
    assert reports["step"].to_pylist() == [1]
    assert reports["config_lr"].to_pylist() == [0.1]
    (row,) = reports.select(
        [column for column in reports.column_names if "metric_" in column or column == name]
    ).to_pylist()
    assert 7.0 in row.values()


@pytest.mark.parametrize("metric", ["step", "Trial", "config_lr", "extra"])
def test_the_sweeps_own_metric_cannot_have_the_name_of_another_column(directory: SweepDirectory, metric: str) -> None:
    with pytest.raises(InvalidSpecError, match=f"metric is '{metric}', which is the name of another column"):
        ReportWriter(directory, VALUE_TYPES, metric)


def test_an_unknown_mode_is_refused(directory: SweepDirectory) -> None:
    with pytest.raises(InvalidSpecError, match="mode is 'minimum': it must be 'min' or 'max'"):
        ReportWriter(directory, VALUE_TYPES, "val_loss", mode="minimum")


def test_nan_is_null_and_infinities_stay(directory: SweepDirectory, batch_of: BatchOf) -> None:
    writer = writer_in(directory)
    writer.register(0, CONFIG)
    writer.append(batch_of([(0, 1), (0, 2), (0, 3)], val_loss=[math.nan, math.inf, -math.inf]))
    part = writer.flush()

    assert pq.read_table(part)["val_loss"].to_pylist() == [None, math.inf, -math.inf]


def test_a_reopened_sweep_goes_on_with_its_numbers_and_columns(directory: SweepDirectory, batch_of: BatchOf) -> None:
    first = writer_in(directory)
    first.register(0, CONFIG)
    first.append(batch_of([(0, 1)], val_loss=[1.0], accuracy=[0.5]))
    first.flush()
    second = writer_in(directory)
    second.register(0, CONFIG)
    second.append(batch_of([(0, 2)], val_loss=[0.5], bleu=[0.25]))

    assert second.flush() == directory.results / "part-000002.parquet"
    schemas = [pq.read_schema(part) for part in parts(directory)]
    assert all(schema.equals(schemas[0], check_metadata=True) for schema in schemas)


def test_a_sweep_reopened_before_its_first_report_can_still_gain_columns(
    directory: SweepDirectory, batch_of: BatchOf
) -> None:
    writer_in(directory)
    writer = writer_in(directory)
    writer.register(0, CONFIG)
    writer.append(batch_of([(0, 1)], val_loss=[1.0], accuracy=[0.5]))
    writer.flush()

    assert all("accuracy" in pq.read_schema(part).names for part in parts(directory))


def test_results_of_another_sweep_are_not_continued(directory: SweepDirectory) -> None:
    writer_in(directory)

    with pytest.raises(ResultsError, match="holds results with metric 'val_loss', not 'accuracy'"):
        ReportWriter(directory, VALUE_TYPES, "accuracy")
    with pytest.raises(ResultsError, match="holds results with mode 'min', not 'max'"):
        ReportWriter(directory, VALUE_TYPES, "val_loss", mode="max")
    with pytest.raises(ResultsError, match="holds results with value_types"):
        ReportWriter(directory, {"lr": "float"}, "val_loss")


def test_a_foreign_file_among_the_parts_is_named(directory: SweepDirectory) -> None:
    writer_in(directory)
    pq.write_table(pa.table({"a": [1]}), directory.results / "mine.parquet")

    with pytest.raises(ResultsError, match=r"mine\.parquet is not one of Caviar's files"):
        writer_in(directory)


# Property tests: rows as (trial, step, value of each metric or None).

METRICS = ("val_loss", "accuracy", "bleu")
rows = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.integers(1, 30),
        st.dictionaries(st.sampled_from(METRICS), st.floats(allow_nan=False), max_size=3),
    ),
    max_size=8,
)
flushes = st.lists(st.lists(rows, max_size=3), max_size=4)
Row = tuple[int, int, dict[str, float]]


def write_all(directory: SweepDirectory, flushes: list[list[list[Row]]], batch_of: BatchOf) -> list[Row]:
    writer = ReportWriter(directory, {"lr": "float"}, "val_loss")
    for trial in range(6):
        writer.register(trial, {"lr": trial / 8})
    for batches in flushes:
        for batch in batches:
            names = sorted({name for _, _, metrics in batch for name in metrics})
            columns = {name: [metrics.get(name, math.nan) for _, _, metrics in batch] for name in names}
            writer.append(batch_of([(trial, step) for trial, step, _ in batch], **columns))
        writer.flush()
    return [row for batches in flushes for batch in batches for row in batch]


def read_all(directory: SweepDirectory) -> list[Row]:
    read: list[Row] = []
    for row in Results.open(directory.path).reports().to_pylist():
        assert row["config_lr"] == row["trial"] / 8
        assert row["elapsed_s"] == row["step"] * 0.5
        metrics = {name: row[name] for name in METRICS if row.get(name) is not None}
        read.append((row["trial"], row["step"], metrics))
    return read


def counted(rows: list[Row]) -> Counter[Any]:
    return Counter((trial, step, *sorted(metrics.items())) for trial, step, metrics in rows)


@settings(deadline=None, max_examples=50)
@given(flushes)
@pytest.mark.slow
def test_parts_give_back_exactly_the_rows_by_trial_and_step(batch_of: BatchOf, flushes: list[list[list[Row]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        directory = SweepDirectory(Path(folder) / "sweep")
        directory.create()
        written = write_all(directory, flushes, batch_of)
        read = read_all(directory)

    assert counted(read) == counted(written)
    assert [row[:2] for row in read] == sorted(row[:2] for row in read)


@settings(deadline=None, max_examples=50)
@given(flushes, st.dictionaries(st.integers(0, 5), st.integers(0, 30)))
@pytest.mark.slow
def test_recovery_leaves_exactly_the_covered_rows(
    batch_of: BatchOf, flushes: list[list[list[Row]]], covered: dict[int, int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        directory = SweepDirectory(Path(folder) / "sweep")
        directory.create()
        written = write_all(directory, flushes, batch_of)
        schema = pq.read_schema(directory.results / "part-000000.parquet")

        dropped = drop_uncovered(directory, find_parts(directory, {}), covered)

        read = read_all(directory)
        schemas = [pq.read_schema(part) for part in parts(directory)]

    kept = [row for row in written if row[1] <= covered.get(row[0], 0)]
    assert counted(read) == counted(kept)
    assert dropped == len(written) - len(kept)
    assert all(found.equals(schema, check_metadata=True) for found in schemas)


def test_recovery_leaves_parts_alone_that_need_no_change(directory: SweepDirectory, batch_of: BatchOf) -> None:
    writer = writer_in(directory)
    writer.register(0, CONFIG)
    writer.append(batch_of([(0, 1), (0, 2)], val_loss=[1.0, 0.5]))
    writer.flush()
    writer.append(batch_of([(0, 3), (0, 4)], val_loss=[0.4, 0.3]))
    writer.flush()
    before = {part.name: part.stat().st_ino for part in parts(directory)}

    assert drop_uncovered(directory, find_parts(directory, {}), {0: 3}) == 1

    changed = [part.name for part in parts(directory) if part.stat().st_ino != before[part.name]]
    assert changed == ["part-000002.parquet"]


def test_parts_are_found_with_their_trials_and_steps_and_one_that_is_lost_is_named(
    directory: SweepDirectory, batch_of: BatchOf
) -> None:
    writer = writer_in(directory)
    for trial in (0, 7):
        writer.register(trial, CONFIG)
    writer.append(batch_of([(7, 1), (0, 1), (0, 2)], val_loss=[1.0, 0.5, 0.4]))
    writer.flush()
    marks = {mark.number: [mark] for mark in writer.drain_marks()}
    empty, full = find_parts(directory, marks)
    assert (empty.mark.rows, empty.trials.tolist()) == (0, [])
    assert [full.mark] == marks[1]
    assert (full.trials.tolist(), full.last.tolist()) == ([0, 7], [2, 1])
    assert full.is_covered({0: 2, 7: 1})
    assert not full.is_covered({0: 1, 7: 1})
    assert reported_through([empty, full], {0: 0, 7: 0, 8: 0}) == {0: 2, 7: 1, 8: 0}

    parts(directory)[1].unlink()
    with pytest.raises(ResultsError, match=r"part-000001\.parquet is missing, and the journal says that it holds 3"):
        find_parts(directory, marks)


def test_a_large_flush_reads_back_whole(directory: SweepDirectory) -> None:
    n, generator = 200_000, np.random.default_rng(0)
    trial = generator.integers(0, 500, n).astype(np.int32)
    values = generator.random(n)
    writer = ReportWriter(directory, {"lr": "float"}, "val_loss")
    for number in range(500):
        writer.register(number, {"lr": number / 512})
    ones = np.ones(n, np.int64)
    writer.append(
        ReportBatch(trial, ones.astype(np.int32), ones, ones, np.arange(n), ones, values, {"val_loss": values})
    )
    writer.flush()

    reports = Results.open(directory.path).reports()
    order = np.lexsort((np.arange(n), trial))
    np.testing.assert_array_equal(reports["val_loss"].to_numpy(), values[order])
    np.testing.assert_array_equal(reports["config_lr"].to_numpy(), trial[order] / 512)
