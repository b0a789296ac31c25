"""The destination of an open journal's lines: the end of a file, or an object a commit.

A write that has failed may be repeated: it begins where the journal says that the committed lines end, whatever the
failed one has left, and with the same bytes.
"""

import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import JournalError, SweepError
from .durable import sync
from .journal_files import file_name, folder_name, join, object_name
from .location import Location
from .object_path import ObjectPath

_logger = logging.getLogger(__name__)

_MOST_OBJECTS = 500
"""Commits after which the objects are joined, so that reading a journal of days is a matter of seconds."""


@dataclass(frozen=True, slots=True)
class Position:
    """The end of the committed lines of a journal.

    Attributes:
        run: The number of the run.
        size: Its length, in bytes of the file or in objects.
        crc: The CRC-32 of all events of the run.
    """

    run: int
    size: int = 0
    crc: int = 0


class FileSink:
    """The end of a new file.

    Args:
        directory: The journal's folder.
        number: The number of the run.
    """

    def __init__(self, directory: Path, number: int) -> None:
        self._path = directory / file_name(number)
        self._descriptor: int | None = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._size: int | None = 0
        """The end of the file; None while that is not known."""
        sync(directory)

    @property
    def path(self) -> Location:
        """The file."""
        return self._path

    def begin(self, position: Position) -> Position:
        """The position of the next write: the end of the last one."""
        return position

    def write(self, position: Position, data: bytes, crc: int) -> Position:
        """Appends data and waits until they are on the disk.

        It does so after a failed flush as well: the system may have dropped the bytes then and would call the next
        flush a success, but bytes that are written anew are flushed anew.

        Args:
            position: The end of the committed lines.
            data: The lines that follow.
            crc: The CRC-32 of all events up to their end.

        Raises:
            OSError: They cannot be written; some of them may be.
            JournalError: The file is not there any more as it was committed.
        """
        try:
            if self._size != position.size:
                self._mend(position.size)
            self._append(data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        self._size = position.size + len(data)
        return Position(position.run, self._size, crc)

    def end(self) -> None:
        """Does nothing: the file is as it shall be."""

    def close(self) -> None:
        """Closes the file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):  # of storage that is gone; what counts was flushed
                os.close(descriptor)

    def _append(self, data: bytes) -> None:
        assert self._descriptor is not None, "it is opened again before it is written again"
        self._size, rest = None, memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        os.fsync(self._descriptor)

    def _mend(self, committed: int) -> None:
        """Opens the file again, which a server that came back may demand, and cuts off what a failed write left."""
        self.close()
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        size = os.fstat(self._descriptor).st_size
        if size < committed:
            raise JournalError(
                f"{self._path} has {size} bytes where {committed} were recorded: put the file back from a copy, or"
                f" resume the sweep from what is left."
            )
        os.ftruncate(self._descriptor, committed)


class ObjectSink:
    """Numbered objects below a new prefix.

    Args:
        directory: The journal's folder.
        number: The number of the run.
    """

    def __init__(self, directory: ObjectPath, number: int) -> None:
        self._directory, self._number = directory, number
        self._objects: list[bytes] = []
        """The data that were written to each object, or are tried to be."""

    @property
    def path(self) -> Location:
        """The prefix."""
        return self._directory / folder_name(self._number)

    def begin(self, position: Position) -> Position:
        """The position of the next write: in another run where the objects are many, which are joined then."""
        if position.run == self._number and position.size == len(self._objects) >= _MOST_OBJECTS:
            self.end()
        return position if position.run == self._number else Position(self._number)

    def write(self, position: Position, data: bytes, crc: int) -> Position:
        """Writes data as the next object.

        What a failed write has tried is tried again as it was, in the same object, and what follows goes into another:
        an upload that was given up may still arrive, and must not replace more than it is.

        Args:
            position: The end of the committed lines.
            data: The lines that follow.
            crc: The CRC-32 of all events up to their end.

        Raises:
            StorageError: The object store does not take it; it may later.
            SweepError: There is no such bucket, or access is denied.
        """
        tried = sum(map(len, self._objects[position.size :]))
        if tried < len(data):
            self._objects.append(data[tried:])
        for number in range(position.size, len(self._objects)):
            (self.path / object_name(number + 1)).write_bytes(self._objects[number])
        return Position(position.run, len(self._objects), crc)

    def end(self) -> None:
        """Joins the objects to one; where that cannot be done, they stay as they are and are read all the same."""
        if not self._objects:
            return
        try:
            join(self.path, b"".join(self._objects))
        except SweepError as error:
            _logger.warning("The journal's objects were not joined: %s", error)
            return
        self._number, self._objects = self._number + 1, []

    def close(self) -> None:
        """Does nothing: an object is closed once it is there."""


Sink = FileSink | ObjectSink


def open_sink(directory: Location, number: int) -> Sink:
    """A sink for a run.

    Args:
        directory: The journal's folder.
        number: The number of the run.
    """
    return ObjectSink(directory, number) if isinstance(directory, ObjectPath) else FileSink(directory, number)
