"""Configurations as columns, and back."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from ...search_spaces import Value
from ...search_spaces.values import show
from ..core.trials.columns import CONFIG_PREFIX
from ..errors import ResultsError
from .schema import config_fields


class Configurations:
    """The configurations of a sweep's trials, ready to be joined to reports.

    Args:
        value_types: The value type of each hyperparameter.
    """

    def __init__(self, value_types: Mapping[str, str]) -> None:
        self._value_types = dict(value_types)
        self._table = configuration_table([], value_types)
        self._pending: list[Mapping[str, Value]] = []
        self._rows = np.full(1024, -1, np.int64)
        self._count = 0

    def register(self, trial: int, config: Mapping[str, Value]) -> None:
        """Note a trial's configuration; a trial may be registered again with the same one."""
        if trial < len(self._rows) and self._rows[trial] >= 0:
            return
        if trial >= len(self._rows):
            grown = np.full(2 * (trial + 1), -1, np.int64)
            grown[: len(self._rows)] = self._rows
            self._rows = grown
        self._rows[trial] = self._count
        self._count += 1
        self._pending.append(config)

    def take(self, trials: npt.NDArray[np.int32]) -> list[pa.Array]:
        """The columns of `config_fields` for n reports.

        Args:
            trials: The n reports' trials.

        Raises:
            ValueError: A trial was not registered.
        """
        rows = self._rows[np.minimum(trials, len(self._rows) - 1)]
        unknown = trials[(rows < 0) | (trials >= len(self._rows))]
        if len(unknown):
            raise ValueError(f"trial {unknown[0]} reported before its configuration was registered")
        if self._pending:
            added = configuration_table(self._pending, self._value_types)
            self._table = pa.concat_tables([self._table, added]).combine_chunks()
            self._pending = []
        return [column.combine_chunks() for column in self._table.take(pa.array(rows)).columns]


def configuration_table(configs: Sequence[Mapping[str, Value]], value_types: Mapping[str, str]) -> pa.Table:
    """Configurations as a table with the columns of `config_fields`; null where a name is inactive."""
    schema = pa.schema(config_fields(value_types))
    columns = [_column(configs, name, kind) for name, kind in value_types.items()]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    # A table without columns would forget how many rows it has; nobody asks it then.
    return pa.Table.from_arrays(arrays, schema=schema)


def _column(configs: Sequence[Mapping[str, Value]], name: str, kind: str) -> list[Any]:
    if kind == "json":
        return [orjson.dumps(config[name]).decode() if name in config else None for config in configs]
    return [config.get(name) for config in configs]


def configuration_of(row: Mapping[str, Any], value_types: Mapping[str, str]) -> dict[str, Value]:
    """The configuration in one row of a table: plain Python values, JSON parsed, inactive names absent."""
    values = {name: row[CONFIG_PREFIX + name] for name in value_types}
    return {
        name: _from_json(name, value) if value_types[name] == "json" else value
        for name, value in values.items()
        if value is not None
    }


def _from_json(name: str, text: str) -> Value:
    try:
        value: Value = json.loads(text)
    except (ValueError, RecursionError):
        raise ResultsError(f"{CONFIG_PREFIX}{name} holds {show(text)}, which is no JSON.") from None
    return value
