"""The table of trials: one row a trial, replaced as a whole."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from ..core.trial import TrialRow
from ..storage.durable import write_file
from ..storage.location import Location
from .configurations import configuration_table
from .schema import to_parquet, trials_schema


def trials_table(rows: Sequence[TrialRow], value_types: Mapping[str, str]) -> pa.Table:
    """Trials as a table with the columns of `trials.parquet`, in the order given."""
    schema = trials_schema(value_types)
    columns = {
        "trial": [row.trial for row in rows],
        "state": [row.state.value for row in rows],
        "bracket": [row.bracket for row in rows],
        "rung": [row.rung for row in rows],
        "step": [row.step for row in rows],
        "seed": [row.seed for row in rows],
        "parent": [None if row.parent is None else row.parent.trial for row in rows],
        "parent_step": [None if row.parent is None else row.parent.step for row in rows],
        "attempt": [row.attempt for row in rows],
        "value": [row.value for row in rows],
        "best_value": [row.best_value for row in rows],
        "best_step": [row.best_step for row in rows],
        "elapsed_s": [row.elapsed_s for row in rows],
        "error": [_utf8(row.error) for row in rows],
    }
    arrays = [pa.array(values, schema.field(name).type, from_pandas=True) for name, values in columns.items()]
    configs = configuration_table([row.config for row in rows], value_types)
    return pa.Table.from_arrays([*arrays, *configs.columns], schema=schema)


def write_trials(path: Location, rows: Sequence[TrialRow], value_types: Mapping[str, str], staging: Location) -> None:
    """Replace `trials.parquet` atomically and durably; with no rows it has the same columns.

    Args:
        path: The file.
        rows: All trials of the sweep.
        value_types: The value type of each hyperparameter.
        staging: A folder on the same filesystem.
    """
    write_file(path, to_parquet(trials_table(rows, value_types)), staging)


def _utf8(text: str | None) -> str | None:
    """The text with "?" for what UTF-8 cannot hold: tracebacks quote file names, and those can be any bytes."""
    return None if text is None else text.encode("utf-8", "replace").decode()
