"""`prior.parquet`: the results of an earlier sweep that a sweep starts from, kept with it."""

from collections.abc import Sequence
from math import nan

import pyarrow as pa

from ..core.trials.trial import TrialResults
from ..storage.durable import write_file
from ..storage.location import Location
from .configurations import configuration_of, configuration_table
from .schema import SweepMetadata, check_columns, config_fields, to_parquet
from .sealed import read_sealed


def write_prior(path: Location, prior: Sequence[TrialResults], metadata: SweepMetadata, staging: Location) -> None:
    """Writes the file in one step.

    Args:
        path: The file.
        prior: The results, with configurations of the new sweep's space.
        metadata: The new sweep's.
        staging: A folder on the same filesystem.
    """
    rows = [(trial, step, value) for trial in prior for step, value in trial.values.items()]
    configs = configuration_table([trial.config for trial, _, _ in rows], metadata.value_types)
    columns = [
        pa.array([trial.trial for trial, _, _ in rows], pa.int32()),
        pa.array([step for _, step, _ in rows], pa.int64()),
        *(column.combine_chunks() for column in configs.columns),
        pa.array([value for _, _, value in rows], pa.float64(), from_pandas=True),
    ]
    write_file(path, to_parquet(pa.Table.from_arrays(columns, schema=_schema(metadata))), staging)


def read_prior(path: Location) -> list[TrialResults]:
    """The results in the file, in the order of the file.

    Raises:
        ResultsError: The file is not there or cannot be read.
    """
    table = read_sealed(path)
    metadata = SweepMetadata.from_schema(table.schema, str(path))
    check_columns(table, _schema(metadata), str(path))
    found: list[TrialResults] = []
    for row in table.to_pylist():
        config, value = configuration_of(row, metadata.value_types), row[metadata.metric]
        if not found or (found[-1].trial, found[-1].config) != (row["trial"], config):
            found.append(TrialResults(row["trial"], config, {}))
        found[-1].values[row["step"]] = nan if value is None else value
    return found


def _schema(metadata: SweepMetadata) -> pa.Schema:
    fields = [
        pa.field("trial", pa.int32(), nullable=False),
        pa.field("step", pa.int64(), nullable=False),
        *config_fields(metadata.value_types),
        pa.field(metadata.metric, pa.float64()),
    ]
    return pa.schema(fields, metadata=metadata.to_schema_metadata())
