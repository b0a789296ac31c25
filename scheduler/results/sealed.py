"""Parquet files that carry a checksum of themselves: a flipped bit anywhere is refused instead of read.

Parquet's own checksums are of pages: they leave out the pages' headers and the footer, and DuckDB does not look at
them. Ours is the CRC-32 of the whole file with zeros in its place, eight hexadecimal digits in the file's metadata.
"""

import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import ResultsError

CHECKSUM = "caviar.crc32"
UNSEALED = "0" * 8

_MARK = CHECKSUM.encode() + b"\x18\x08"
"""The key as it stands in the footer: what follows is, in Thrift's compact protocol, a string of eight bytes."""


def seal(data: bytes | memoryview) -> memoryview:
    """A Parquet file with its checksum.

    Args:
        data: The file, whose metadata has `UNSEALED` under the key `CHECKSUM`.
    """
    sealed = bytearray(data)
    place = sealed.rfind(_MARK) + len(_MARK)
    sealed[place : place + 8] = b"%08x" % _checksum(sealed, place)
    return memoryview(sealed)


def sealed_bytes(path: Path) -> bytes:
    """The bytes of a file that is as Caviar wrote it.

    Raises:
        ResultsError: It cannot be read, was changed since, or is not Caviar's.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    place = data.rfind(_MARK) + len(_MARK)
    if place < len(_MARK):
        raise ResultsError(f"{path} was not written by Caviar: its metadata lacks '{CHECKSUM}'.")
    if data[place : place + 8] != b"%08x" % _checksum(data, place):
        raise _unreadable(path, "its checksum does not match, so it was changed after it was written")
    return data


def read_sealed(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A table from a file that is as Caviar wrote it.

    Args:
        path: The file.
        columns: Only these columns; all if None.

    Raises:
        ResultsError: It cannot be read, was changed since, or is not Caviar's.
    """
    data = sealed_bytes(path)
    try:
        table = pq.read_table(pa.BufferReader(data), columns=columns)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise _unreadable(path, " ".join(str(error).split())) from error
    return table


def _checksum(data: bytes | bytearray, place: int) -> int:
    whole = memoryview(data)
    return zlib.crc32(whole[place + 8 :], zlib.crc32(UNSEALED.encode(), zlib.crc32(whole[:place])))


def _unreadable(path: Path, reason: str) -> ResultsError:
    return ResultsError(f"{path} cannot be read: {reason}. Take it from a copy of the sweep.")
