"""Reading Parquet files where they lie: in a folder, or in an object store."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..storage.location import Location
from ..storage.object_path import ObjectPath

_AT_ONCE = 8
"""Objects that are read at a time; most of it is waiting."""


def read_parquet(path: Location, columns: Sequence[str] | None = None) -> pa.Table:
    """The table in a file.

    Args:
        path: The file.
        columns: The columns to read; all if None.

    Raises:
        OSError: There is no such file.
        pyarrow.ArrowException: It is no Parquet file.
        SweepError: The object store does not answer.
    """
    return pq.read_table(_source(path), columns=None if columns is None else list(columns), partitioning=None)


def read_several(paths: Sequence[Location], read: Callable[[Location], pa.Table]) -> list[pa.Table]:
    """The tables in several files, those of an object store some at a time.

    Args:
        paths: The files.
        read: Reads one.
    """
    if not any(isinstance(path, ObjectPath) for path in paths):
        return [read(path) for path in paths]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(read, paths))


def read_parquet_schema(path: Location) -> pa.Schema:
    """The schema of a file; see `read_parquet`."""
    return pq.read_schema(_source(path))


def _source(path: Location) -> Any:
    # Parts are small: one request for all of one is faster than several for its columns.
    return pa.BufferReader(path.read_buffer()) if isinstance(path, ObjectPath) else path
