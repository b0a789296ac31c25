"""The columns of the Parquet files of a sweep, their encodings, and what their metadata says."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version

import pyarrow as pa
import pyarrow.parquet as pq

from ..core.trials.columns import CONFIG_PREFIX, EXTRA, REPORT_COLUMNS, RESERVED, is_reserved
from ..errors import InvalidSpecError, ResultsError
from .sealed import seal

EXTRA_TYPE = pa.map_(pa.string(), pa.float64())

_ARROW_TYPES: Mapping[str, pa.DataType] = {
    "float": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "string": pa.string(),
    "json": pa.string(),
}

_REPORT_TYPES = (pa.int32(), pa.int32(), pa.int64(), pa.int64(), pa.int64(), pa.timestamp("us", tz="UTC"), pa.float64())
_REPORT_FIELDS = tuple(
    pa.field(name, kind, nullable=False) for name, kind in zip(REPORT_COLUMNS, _REPORT_TYPES, strict=True)
)

_PARENT_FIELDS = (pa.field("parent", pa.int32()), pa.field("parent_step", pa.int64()))
_TRIAL_FIELDS = (
    pa.field("trial", pa.int32(), nullable=False),
    pa.field("state", pa.string(), nullable=False),
    pa.field("bracket", pa.int64(), nullable=False),
    pa.field("rung", pa.int64(), nullable=False),
    pa.field("step", pa.int64(), nullable=False),
    pa.field("seed", pa.int64(), nullable=False),
    *_PARENT_FIELDS,
    pa.field("attempt", pa.int32(), nullable=False),
    pa.field("value", pa.float64()),
    pa.field("best_value", pa.float64()),
    pa.field("best_step", pa.int64()),
    pa.field("elapsed_s", pa.float64(), nullable=False),
    pa.field("error", pa.string()),
)

REGIONS_SCHEMA = pa.schema(
    [
        pa.field("proposal", pa.int64(), nullable=False),
        pa.field("hyperparameter", pa.string(), nullable=False),
        pa.field("low", pa.float64()),
        pa.field("high", pa.float64()),
        pa.field("options", pa.string()),
        pa.field("share", pa.float64(), nullable=False),
        pa.field("importance", pa.float64()),
        pa.field("change", pa.string(), nullable=False),
    ]
)
"""The columns of `regions.parquet`."""


@dataclass(frozen=True, slots=True)
class SweepMetadata:
    """Facts of a sweep that one must know to read its tables; they stand in the metadata of every report part.

    Attributes:
        metric: Name of the metric that trials are compared by.
        mode: "min" or "max".
        value_types: The type of each hyperparameter: "float", "integer", "boolean", "string" or "json".
        version: The Caviar that wrote the files.
    """

    metric: str
    mode: str
    value_types: Mapping[str, str]
    version: str

    @classmethod
    def of(cls, metric: str, mode: str, value_types: Mapping[str, str]) -> "SweepMetadata":
        """The metadata in this Caviar's name.

        Raises:
            InvalidSpecError: `mode` is neither "min" nor "max", or the metric has the name of another column.
        """
        if mode not in {"min", "max"}:
            raise InvalidSpecError(f"mode is {mode!r}: it must be 'min' or 'max'.")
        if is_reserved(metric):
            raise InvalidSpecError(
                f"metric is {metric!r}, which is the name of another column of the results: "
                f"report it under a name other than {', '.join(sorted(RESERVED))} or {CONFIG_PREFIX}…."
            )
        return cls(metric, mode, dict(value_types), version("caviar"))

    @classmethod
    def from_schema(cls, schema: pa.Schema, source: str) -> "SweepMetadata":
        """The metadata in a report part's schema.

        Raises:
            ResultsError: The metadata is not Caviar's.
        """
        metadata = schema.metadata or {}
        try:
            metric, mode, types, written_by = (
                metadata[f"caviar.{key}".encode()].decode() for key in ("metric", "mode", "value_types", "version")
            )
            value_types = json.loads(types)
        except KeyError as error:
            raise ResultsError(f"{source} was not written by Caviar: its metadata lacks {error}.") from None
        except (ValueError, RecursionError):
            raise ResultsError(f"{source} was not written by Caviar: its metadata is not text and JSON.") from None
        if mode not in {"min", "max"} or not _are_types(value_types) or schema.get_field_index(metric) < 0:
            raise ResultsError(f"{source} was not written by Caviar: its metadata does not fit its columns.")
        return cls(metric, mode, value_types, written_by)

    def to_schema_metadata(self) -> dict[str, str]:
        """The metadata as keys and values of an Arrow schema."""
        return {
            "caviar.version": self.version,
            "caviar.metric": self.metric,
            "caviar.mode": self.mode,
            "caviar.value_types": json.dumps(dict(self.value_types)),
        }


def _are_types(value_types: object) -> bool:
    return isinstance(value_types, dict) and all(
        isinstance(kind, str) and kind in _ARROW_TYPES for kind in value_types.values()
    )


def check_columns(table: pa.Table, expected: pa.Schema, source: str) -> pa.Table:
    """The table, if it has the columns that it should.

    Raises:
        ResultsError: It has others.
    """
    if table.schema.equals(expected):
        return table
    raise ResultsError(f"{source} was not written by Caviar for this sweep: it has other columns.")


def config_fields(value_types: Mapping[str, str]) -> list[pa.Field]:
    """One nullable column a hyperparameter, `config_<name>`."""
    return [pa.field(CONFIG_PREFIX + name, _ARROW_TYPES[kind]) for name, kind in value_types.items()]


def reports_schema(metadata: SweepMetadata, metrics: Iterable[str]) -> pa.Schema:
    """The columns of the report parts.

    Args:
        metadata: The sweep's metadata.
        metrics: Names of the metrics that get a column of their own.
    """
    metric_fields = [pa.field(name, pa.float64()) for name in metrics]
    extra = pa.field(EXTRA, EXTRA_TYPE)
    fields = [*_REPORT_FIELDS, *config_fields(metadata.value_types), *metric_fields, extra]
    return pa.schema(fields, metadata=metadata.to_schema_metadata())


def trials_schema(value_types: Mapping[str, str]) -> pa.Schema:
    """The columns of `trials.parquet`."""
    return pa.schema([*_TRIAL_FIELDS, *config_fields(value_types)])


def with_parents(table: pa.Table) -> pa.Table:
    """A table of trials with the columns that say from which checkpoints they began; older versions wrote none."""
    place = table.schema.get_field_index("seed") + 1
    if place and "parent" not in table.schema.names:
        for field in reversed(_PARENT_FIELDS):
            table = table.add_column(place, field, pa.nulls(len(table), field.type))
    return table


def metric_names(schema: pa.Schema) -> list[str]:
    """The metrics that have a column of their own in the report parts."""
    return [name for name in schema.names if not is_reserved(name)]


def to_parquet(table: pa.Table) -> memoryview:
    """A table as the bytes of a Parquet file: zstd, for every type the encoding that suits it, and a checksum."""
    leaves = {name: kind for field in table.schema for name, kind in _leaves(field)}
    strings = [name for name, kind in leaves.items() if pa.types.is_string(kind)]
    encodings = {name: _encoding(kind) for name, kind in leaves.items() if name not in strings}
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        use_dictionary=strings,
        column_encoding=encodings,
        write_page_checksum=True,  # for other readers; ours have the checksum of the whole file
    )
    return seal(memoryview(sink.getvalue()))


def _leaves(field: pa.Field) -> list[tuple[str, pa.DataType]]:
    """The column chunks that a field becomes in Parquet, by path."""
    if isinstance(field.type, pa.MapType):
        path = f"{field.name}.key_value"
        return [(f"{path}.key", field.type.key_type), (f"{path}.value", field.type.item_type)]
    return [(field.name, field.type)]


def _encoding(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind) or pa.types.is_timestamp(kind):
        return "DELTA_BINARY_PACKED"
    return "BYTE_STREAM_SPLIT" if pa.types.is_floating(kind) else "PLAIN"
