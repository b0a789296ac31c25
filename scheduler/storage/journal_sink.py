"""Where an open journal's lines go: the end of a file, or an object a commit."""

import logging
import os
from pathlib import Path

from ..errors import SweepError
from .durable import sync
from .journal_files import SUFFIX, join
from .location import Location
from .object_path import ObjectPath

_logger = logging.getLogger(__name__)

_MOST_OBJECTS = 500
"""Commits after which the objects are joined, so that reading a journal of days is a matter of seconds."""


class FileSink:
    """The end of a new file.

    Args:
        directory: The journal's folder.
        number: The number of the run.
    """

    def __init__(self, directory: Path, number: int) -> None:
        self.path: Location = directory / f"{number:06d}{SUFFIX}"
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        sync(directory)

    def write(self, data: bytes) -> bool:
        """Appends data and waits until they are on the disk; never begins a new file.

        Raises:
            OSError: It cannot be written; some of it may be.
        """
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        os.fsync(self._descriptor)
        return False

    def end(self) -> None:
        """Does nothing: the file is as it shall be."""

    def close(self) -> None:
        """Closes the file."""
        os.close(self._descriptor)


class ObjectSink:
    """Numbered objects below a new prefix.

    Args:
        directory: The journal's folder.
        number: The number of the run.
    """

    def __init__(self, directory: ObjectPath, number: int) -> None:
        self._directory, self._number = directory, number
        self._written: list[bytes] = []

    @property
    def path(self) -> Location:
        """The prefix."""
        return self._directory / f"{self._number:06d}"

    def write(self, data: bytes) -> bool:
        """Writes data as the next object.

        Returns:
            Whether the checksum starts again with the next one, because the objects so far were joined.

        Raises:
            SweepError: The object store does not take it.
        """
        (self.path / f"{len(self._written) + 1:08d}{SUFFIX}").write_bytes(data)
        self._written.append(data)
        if len(self._written) < _MOST_OBJECTS:
            return False
        self.end()
        return not self._written

    def end(self) -> None:
        """Joins the objects to one; where that cannot be done, they stay as they are and are read all the same."""
        if not self._written:
            return
        try:
            join(self.path, b"".join(self._written))
        except SweepError as error:
            _logger.warning("The journal's objects were not joined: %s", error)
            return
        self._number, self._written = self._number + 1, []

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
