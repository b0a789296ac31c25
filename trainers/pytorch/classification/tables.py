"""Tables in CSV and Parquet files, read with DuckDB."""

import difflib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import torch

from ...errors import TrainerError
from ..lanes.data import Data, DataDescription
from ..parts.splits import SplitSettings, split_examples
from .columns import Columns, encode_columns
from .targets import class_labels

MISSING_TEXTS = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "?")
"""The texts of a missing value in a CSV file."""

MISSING_CATEGORY = "(missing)"

_CSV_TYPES = ("NULL", "BIGINT", "DOUBLE", "DATE", "TIMESTAMP", "TIMESTAMPTZ", "VARCHAR")
"""The types of a CSV file's column, by all its values. BOOLEAN would call the classes yes and no true and false."""

_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
_OTHER_NUMBERS = {"HUGEINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL"}
_DATES = {"DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"}
_TEXTS = {"VARCHAR", "BOOLEAN", "ENUM", "UUID"}


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    kind: str
    """DuckDB's type, without arguments in parentheses."""

    @property
    def quoted(self) -> str:
        escaped = self.name.replace('"', '""')
        return f'"{escaped}"'

    @property
    def is_date(self) -> bool:
        return self.kind in _DATES

    @property
    def is_number(self) -> bool:
        return self.kind in _INTEGERS | _OTHER_NUMBERS | _DATES

    @property
    def as_input(self) -> str:
        """SQL for the column as doubles or text, without NULL."""
        if self.is_date:
            return f"COALESCE(epoch({self.quoted}) / 86400, 'NaN'::DOUBLE)"
        if self.is_number:
            return f"COALESCE({self.quoted}::DOUBLE, 'NaN'::DOUBLE)"
        return f"COALESCE({self.quoted}::VARCHAR, '{MISSING_CATEGORY}')"

    @property
    def as_target(self) -> str:
        """SQL for the column as integers, doubles or text, NULL where missing."""
        if self.kind in _INTEGERS:
            return self.quoted
        return f"{self.quoted}::{'DOUBLE' if self.kind in _OTHER_NUMBERS else 'VARCHAR'}"


def load_table(
    source: str, target: str | None, split: SplitSettings, ignore: Collection[str] = ()
) -> tuple[Data, DataDescription]:
    """A table for classification: a row an example, a column the target, all others inputs.

    Numbers are inputs, and so are dates, with or without a time, as the days since 1970-01-01. Text, bools and
    enumerations are categories. `encode_columns` says what becomes of either.

    Args:
        source: The path of a CSV or Parquet file, or a glob pattern of Parquet files.
        target: The column that holds the classes.
        split: Into parts.
        ignore: Columns that are no inputs.

    Raises:
        TrainerError: The file cannot be read, lacks a column, or holds what is no input or no class.
    """
    columns, values = _read(source, target, ignore)
    labels, class_names = class_labels(values, f"column {target!r}")
    parts = split_examples(labels, split, class_names)
    inputs, feature_names = encode_columns(columns, parts.train)
    data = Data.in_parts((torch.from_numpy(inputs), torch.from_numpy(labels)), parts)
    return data, DataDescription("table", (inputs.shape[1],), class_names, feature_names)


def _read(source: str, target: str | None, ignore: Collection[str]) -> tuple[Columns, npt.NDArray[Any]]:
    """The inputs' columns and the target's values."""
    with duckdb.connect() as connection:
        try:
            relation = _relation(connection, source)
            chosen, inputs = _choose(source, _columns_of(relation), target, ignore)
            numbers, texts = ([column for column in inputs if column.is_number is wanted] for wanted in (True, False))
            arrays = _fetch(relation, [column.as_input for column in [*numbers, *texts]] + [chosen.as_target])
        except duckdb.Error as error:
            raise TrainerError(f"{source} cannot be read: {str(error).splitlines()[0]}") from error
    *arrays, values = arrays
    if not len(values):
        raise TrainerError(f"{source} has no rows")
    columns = Columns(
        _beside(arrays[: len(numbers)], len(values), np.float64),
        _beside(arrays[len(numbers) :], len(values), np.object_),
        tuple(column.name for column in numbers),
        tuple(column.name for column in texts),
    )
    return columns, values


def _relation(connection: duckdb.DuckDBPyConnection, source: str) -> duckdb.DuckDBPyRelation:
    if source.endswith((".parquet", ".pq")):
        return connection.read_parquet(source, union_by_name=True)
    options = f"nullstr = {list(MISSING_TEXTS)}, auto_type_candidates = {list(_CSV_TYPES)}, sample_size = -1"
    return connection.sql(f"FROM read_csv(?, {options})", params=[source])


def _columns_of(relation: duckdb.DuckDBPyRelation) -> list[_Column]:
    kinds = (re.sub(r"\(.*\)", "", str(kind)) for kind in relation.types)
    return [_Column(name, kind) for name, kind in zip(relation.columns, kinds, strict=True)]


def _fetch(relation: duckdb.DuckDBPyRelation, expressions: Iterable[str]) -> list[npt.NDArray[Any]]:
    named = [f"{expression} AS c{place}" for place, expression in enumerate(expressions)]
    fetched = relation.project(", ".join(named)).fetchnumpy()
    return [fetched[f"c{place}"] for place in range(len(named))]


def _beside(arrays: list[npt.NDArray[Any]], rows: int, dtype: type) -> npt.NDArray[Any]:
    return np.stack(arrays, axis=1).astype(dtype, copy=False) if arrays else np.empty((rows, 0), dtype)


def _choose(
    source: str, columns: list[_Column], target: str | None, ignore: Collection[str]
) -> tuple[_Column, list[_Column]]:
    """The target's column, and the inputs'."""
    by_name = {column.name: column for column in columns}
    if target is None:
        raise TrainerError(f"{source} needs a target: name one of its columns, {_listed(by_name)}")
    for name in (target, *ignore):
        if name not in by_name:
            close = difflib.get_close_matches(name, by_name, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {_listed(by_name)}"
            raise TrainerError(f"{source} has no column {name!r}: {hint}")
    inputs = [column for column in columns if column.name != target and column.name not in ignore]
    for column in inputs:
        if not column.is_number and column.kind not in _TEXTS:
            raise TrainerError(
                f"column {column.name!r} of {source} has the type {column.kind}: inputs are numbers, dates, text, "
                "bools and enumerations; ignore it, or turn it into one of these"
            )
    return by_name[target], inputs


def _listed(names: Collection[str], most: int = 20) -> str:
    shown = ", ".join(list(names)[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
