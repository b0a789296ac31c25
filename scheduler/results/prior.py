"""`prior.parquet`: the results of an earlier sweep that a sweep starts from, kept with it."""

from collections.abc import Sequence
from math import nan

import pyarrow as pa

from ..storage.durable import write_file
from ..storage.location import Location
from .configurations import configuration_of, configuration_table
from .rungs import TrialResults
from .schema import Header, check_columns, config_fields, to_parquet
from .sealed import read_sealed


def write_prior(path: Location, prior: Sequence[TrialResults], header: Header, staging: Location) -> None:
    """Writes the file in one step.

    Args:
        path: The file.
        prior: The results, with configurations of the new sweep's space.
        header: The new sweep's.
        staging: A folder on the same filesystem.
    """
    rows = [(of, step, value) for of in prior for step, value in of.values.items()]
    configs = configuration_table([of.config for of, _, _ in rows], header.value_types)
    columns = [
        pa.array([of.trial for of, _, _ in rows], pa.int32()),
        pa.array([step for _, step, _ in rows], pa.int64()),
        *(column.combine_chunks() for column in configs.columns),
        pa.array([value for _, _, value in rows], pa.float64(), from_pandas=True),
    ]
    write_file(path, to_parquet(pa.Table.from_arrays(columns, schema=_schema(header))), staging)


def read_prior(path: Location) -> list[TrialResults]:
    """The results in the file, in the order of the file.

    Raises:
        ResultsError: The file is not there or cannot be read.
    """
    table = read_sealed(path)
    header = Header.from_schema(table.schema, str(path))
    check_columns(table, _schema(header), str(path))
    found: list[TrialResults] = []
    for row in table.to_pylist():
        config, value = configuration_of(row, header.value_types), row[header.metric]
        if not found or (found[-1].trial, found[-1].config) != (row["trial"], config):
            found.append(TrialResults(row["trial"], config, {}))
        found[-1].values[row["step"]] = nan if value is None else value
    return found


def _schema(header: Header) -> pa.Schema:
    fields = [
        pa.field("trial", pa.int32(), nullable=False),
        pa.field("step", pa.int64(), nullable=False),
        *config_fields(header.value_types),
        pa.field(header.metric, pa.float64()),
    ]
    return pa.schema(fields, metadata=header.to_metadata())
