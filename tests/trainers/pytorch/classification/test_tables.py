from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import torch

from caviar.trainers import TrainerError
from caviar.trainers.pytorch.classification.loading import load_data
from caviar.trainers.pytorch.parts.splits import SplitSettings

FLOWERS = """
    SELECT i AS row, i % 10 + 0.5 AS width, CASE WHEN i % 7 = 0 THEN NULL ELSE i / 3 END AS height,
        ['red', 'blue', NULL][1 + i % 3] AS colour, i % 2 = 0 AS wild, DATE '2020-01-01' + i::INTEGER AS seen,
        ['rose', 'lily'][1 + i % 2] AS kind
    FROM range(100) r(i)
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the rows of a query into a file of the format that its name says."""

    def to_file(query: str, name: str = "flowers.parquet") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        duckdb.sql(f"COPY ({query}) TO '{path}'")
        return path

    return to_file


def parts(path: Path, **settings: Any) -> list[list[Any]]:
    data, _ = load_data(path, "kind", **settings)
    assert data.test is not None
    return [tensor.tolist() for part in (data.train, data.dev, data.test) for tensor in part]


@pytest.mark.parametrize("name", ["flowers.parquet", "flowers.csv", "flowers.csv.gz"])
def test_every_column_but_the_target_becomes_inputs(write: Write, name: str) -> None:
    data, description = load_data(write(FLOWERS, name), "kind", ignore=["row"])
    assert description.kind == "table"
    assert description.class_names == ("lily", "rose")
    assert description.feature_names == (
        *("width", "height", "seen", "height is missing"),
        *("colour=(missing)", "colour=blue", "colour=red", "wild=false", "wild=true"),
    )
    assert description.input_shape == (9,)
    inputs, labels = data.train
    assert (inputs.shape, inputs.dtype) == ((60, 9), torch.float32)
    assert (labels.shape, labels.dtype) == ((60,), torch.int64)
    assert inputs[:, 8].equal(labels.float())


def test_all_formats_give_the_same_data(write: Write, tmp_path: Path) -> None:
    whole = parts(write(FLOWERS))
    write(f"SELECT * FROM ({FLOWERS}) LIMIT 40", "many/a.parquet")
    write(f"SELECT * FROM ({FLOWERS}) OFFSET 40", "many/b.parquet")
    assert parts(write(FLOWERS, "flowers.csv")) == whole
    assert parts(tmp_path / "many") == whole
    assert parts(tmp_path / "many" / "*.parquet") == whole


def test_one_column_or_several_can_be_ignored(write: Write) -> None:
    path = write(FLOWERS)
    one, several = (load_data(path, "kind", ignore=names)[1].feature_names for names in ("row", ["row", "colour"]))
    assert one[:2] == several[:2] == ("width", "height")
    assert [name for name in one if name not in several] == ["colour=(missing)", "colour=blue", "colour=red"]


def test_the_split_is_that_of_the_settings(write: Write) -> None:
    data, _ = load_data(write(FLOWERS), "kind", SplitSettings(dev=10, test=0))
    assert (len(data.train[0]), len(data.dev[0]), data.test) == (90, 10, None)


def test_dates_are_numbers_of_days(write: Write) -> None:
    query = "SELECT DATE '1970-01-01' + i::INTEGER AS day, i AS number, i % 2 AS kind FROM range(50) r(i)"
    inputs = load_data(write(query), "kind")[0].train[0]
    assert inputs[:, 0].equal(inputs[:, 1])


@pytest.mark.parametrize("value", ["NA", "", "?", "nan", "NULL"])
def test_a_gap_in_a_csv_file_can_be_written_in_several_ways(tmp_path: Path, value: str) -> None:
    rows = [f"{i if i % 5 else value},{i % 2}" for i in range(50)]
    path = tmp_path / "gaps.csv"
    path.write_text("\n".join(["a,kind", *rows]))
    assert load_data(path, "kind")[1].feature_names == ("a", "a is missing")


def test_classes_called_yes_and_no_stay_so(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text("\n".join(["a,kind", *(f"{i},{'yes' if i % 2 else 'no'}" for i in range(50))]))
    assert load_data(path, "kind")[1].class_names == ("no", "yes")


@pytest.mark.parametrize("kind", ["TINYINT", "UBIGINT", "HUGEINT", "DOUBLE", "DECIMAL(5, 1)", "VARCHAR"])
def test_integers_of_any_type_are_classes(write: Write, kind: str) -> None:
    query = f"SELECT i AS a, (i % 3)::{kind} AS kind FROM range(60) r(i)"
    names = load_data(write(query), "kind")[1].class_names
    assert [float(name) for name in names] == [0, 1, 2]
    assert names == ("0", "1", "2")


def test_names_that_sql_or_globs_would_read_otherwise_are_taken_literally(write: Write) -> None:
    query = """SELECT i AS "a ""quoted"" name", i % 2 AS "select" FROM range(50) r(i)"""
    assert load_data(write(query, "data[1].parquet"), "select")[1].feature_names == ('a "quoted" name',)


@pytest.mark.parametrize(
    ("query", "target", "message"),
    [
        (FLOWERS, "kin", "has no column 'kin': did you mean 'kind'?"),
        (FLOWERS, "petals", "has no column 'petals': it has row, width, height, colour, wild, seen, kind"),
        (FLOWERS, None, "needs a target: name one of its columns, row, width, height, colour, wild, seen, kind"),
        (FLOWERS, "height", "column 'height' is missing in 15 of 100 examples"),
        (FLOWERS, "colour", "column 'colour' is missing in 33 of 100 examples"),
        ("SELECT i AS a, random() AS kind FROM range(100) r(i)", "kind", "different values in 100 examples: this is a"),
        ("SELECT [i] AS a, i % 2 AS kind FROM range(100) r(i)", "kind", "has the type BIGINT[]: inputs are numbers,"),
        ("SELECT 'x' || i AS a, i % 2 AS kind FROM range(100) r(i)", "kind", "'a' has 60 different values in 60"),
        ("SELECT 1 AS a, 2 AS kind LIMIT 0", "kind", "flowers.parquet has no rows"),
        ("SELECT i % 2 AS kind FROM range(100) r(i)", "kind", "no column but the target"),
    ],
)
def test_a_table_that_cannot_be_learned_from_is_refused(
    write: Write, query: str, target: str | None, message: str
) -> None:
    with pytest.raises(TrainerError) as caught:
        load_data(write(query), target)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_of_another_format_is_refused(write: Write, tmp_path: Path) -> None:
    write(FLOWERS)
    for name, message in (
        ("flower.parquet", "there is no file .*; did you mean flowers.parquet?"),
        ("flowers.xlsx", "no known format: it should end in .csv, .tsv"),
        ("many/*.parquet", "cannot be read: .*No files found"),
        ("empty", "the folder .* has no .parquet files"),
        ("text.parquet", "cannot be read"),
    ):
        (tmp_path / "empty").mkdir(exist_ok=True)
        (tmp_path / "text.parquet").write_text("no magic bytes")
        with pytest.raises(TrainerError, match=message):
            load_data(tmp_path / name, "kind")


def test_inputs_are_fitted_to_the_training_part_alone(write: Write) -> None:
    inputs = load_data(write(FLOWERS), "kind")[0].train[0].numpy()
    assert inputs[:, :2].mean(0) == pytest.approx(np.zeros(2), abs=1e-6)
    assert inputs[:, :2].std(0) == pytest.approx(np.ones(2), abs=1e-6)
