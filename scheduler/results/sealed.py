"""Parquet files that carry a checksum of themselves: a flipped bit anywhere is refused instead of read.

Parquet's own checksums are of pages: they leave out the pages' headers and the footer, and DuckDB does not look at
them. Ours stands between the last page and the footer, where no reader looks: `CAVIAR32` and eight hexadecimal digits,
the CRC-32 of everything else in the file.
"""

import zlib

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import ResultsError
from ..storage.location import Location

_MARK = b"CAVIAR32"
_DIGITS = 8
_TAIL = 8
"""Bytes after the footer: its length, and `PAR1`."""


def seal(data: memoryview) -> memoryview:
    """A Parquet file with its checksum."""
    end = _end_of_pages(data)
    pages, footer = b"".join((data[:end], _MARK)), data[end:]
    return memoryview(b"".join((pages, b"%08x" % _checksum(pages, footer), footer)))


def sealed_bytes(path: Location) -> bytes:
    """The bytes of a file that is as Caviar wrote it.

    Raises:
        ResultsError: It cannot be read, was changed since, or is not Caviar's.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    if data[-4:] != b"PAR1":
        raise _unreadable(path, "it is no whole Parquet file")
    end, whole = _end_of_pages(data), memoryview(data)
    digits = end - _DIGITS
    if digits < len(_MARK) or data[digits - len(_MARK) : digits] != _MARK:
        raise ResultsError(f"{path} was not written by Caviar, or was changed since: its checksum is not there.")
    if data[digits:end] != b"%08x" % _checksum(whole[:digits], whole[end:]):
        raise _unreadable(path, "its checksum does not match, so it was changed after it was written")
    return data


def read_sealed(path: Location, columns: list[str] | None = None) -> pa.Table:
    """A table from a file that is as Caviar wrote it.

    Args:
        path: The file.
        columns: Only these columns; all if None.

    Raises:
        ResultsError: It cannot be read, was changed since, or is not Caviar's.
    """
    return table_of(path, sealed_bytes(path), columns)


def table_of(path: Location, data: bytes, columns: list[str] | None = None) -> pa.Table:
    """The table in the bytes of a file that is as Caviar wrote it.

    Args:
        path: The file, for messages.
        data: Its bytes.
        columns: Only these columns; all if None.

    Raises:
        ResultsError: They cannot be read.
    """
    try:
        table = decoded(data, columns)
        return table if columns is None else table.select(columns)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise _unreadable(path, " ".join(str(error).split())) from error


def decoded(data: bytes, columns: list[str] | None = None) -> pa.Table:
    """The table in the bytes of a Parquet file; Arrow's own errors where they are none.

    Args:
        data: The file's bytes.
        columns: Only these columns; all if None.
    """
    # Parts are small: one thread is faster than waking others, and none of Arrow's own may give up Python's bytes
    # while Python ends, which would abort the process.
    table = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False).read(columns=columns, use_threads=False)
    table.validate(full=True)
    return table


def sealed_schema(path: Location) -> pa.Schema:
    """The schema of a file that is as Caviar wrote it.

    Raises:
        ResultsError: It cannot be read, was changed since, or is not Caviar's.
    """
    try:
        return schema_of(sealed_bytes(path))
    except (pa.ArrowException, ValueError) as error:
        raise _unreadable(path, " ".join(str(error).split())) from error


def schema_of(data: bytes) -> pa.Schema:
    """The schema in the bytes of a Parquet file; Arrow's own errors where they are none."""
    return pq.read_schema(pa.BufferReader(data))


def _end_of_pages(data: bytes | memoryview) -> int:
    """The place where the footer begins."""
    return len(data) - _TAIL - int.from_bytes(data[-_TAIL : -_TAIL + 4], "little")


def _checksum(pages: bytes | memoryview, footer: memoryview) -> int:
    return zlib.crc32(footer, zlib.crc32(pages))


def _unreadable(path: Location, reason: str) -> ResultsError:
    sweep = path.parent.parent if path.parent.name == "results" else path.parent
    return ResultsError(
        f"{path} cannot be read: {reason}. Put it back from a copy, or see what can be repaired with"
        f" caviar doctor {sweep}"
    )
