"""The journal: every decision and outcome of a sweep, in order; what a resumed sweep replays.

Each run of a sweep writes one file, `000001.jsonl`, `000002.jsonl`, …, a line an event:

    {"crc32":"b6048f13","event":{"type":"decided","free":1,"assignments":[[3,1,0]],"configs":{}}}

The checksum is the CRC-32 of the bytes of all events of the file up to this one, so that a changed, a lost and a
misplaced line all show. A process that is killed while it writes leaves a last line without its line feed: that line
was never acknowledged, and it is cut off when the next run opens the journal. Anything else that does not verify
stops the sweep. `journal_lines` reads the lines.
"""

import logging
import os
import zlib
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from ..errors import JournalError
from .durable import make_directory, sync
from .journal_lines import Event, JournalFile, file_name, journal_files, line_of, read_file

_logger = logging.getLogger(__name__)


class Journal:
    """The journal open for appending; one process at a time, under the sweep's lock.

    `append` only buffers: an event is durable once the next `commit` has returned.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor
        self._pending: tuple[int, list[bytes]] = 0, []
        """The bytes that are committed, and the lines that follow them: one value, which Ctrl-C cannot split."""
        self._sound = True
        """Whether the file ends where the committed bytes do."""
        self._closed = False
        self._crc = 0

    @classmethod
    def open(cls, directory: Path) -> "Journal":
        """Cut off a torn last line, and open the next numbered file.

        Args:
            directory: The sweep's journal folder; made if it does not exist.
        """
        make_directory(directory)
        files = journal_files(directory)
        if files:
            _cut_torn_line(files[-1])
        path = directory / file_name(len(files) + 1)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        sync(directory)
        return cls(path, descriptor)

    @property
    def path(self) -> Path:
        """The file this run writes."""
        return self._path

    @property
    def pending(self) -> bool:
        """Whether events wait for a commit."""
        return bool(self._pending[1])

    def append(self, event: Event) -> None:
        """Add an event to what the next commit writes.

        Args:
            event: JSON values under string keys, integers of at most 64 bits. JSON has no NaN and no infinity: they
                come back as None. Characters that are not Unicode text (lone surrogates) come back as "?".

        Raises:
            JournalError: The journal is closed.
        """
        if self._closed:
            raise JournalError(f"{self._path} is closed: nothing can be added to it.")
        encoded = _encode(event)
        self._crc = zlib.crc32(encoded, self._crc)
        self._pending[1].append(line_of(self._crc, encoded))

    def commit(self) -> None:
        """Write the pending events in one piece and wait until they are on the disk.

        After a failure the events are still pending, and the next commit writes them again from where the committed
        ones end. It does so after a failed flush as well: the system may have dropped the bytes then and would call the
        next flush a success, but bytes that are written anew are flushed anew.

        Raises:
            OSError: They cannot be written, for example because the disk is full. What was committed before is there.
            JournalError: The file is not there any more as it was committed.
        """
        committed, lines = self._pending
        if not lines or self._closed:
            return
        data = b"".join(lines)
        try:
            if not self._sound:
                self._mend(committed)
            self._write(data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        self._pending, self._sound = (committed + len(data), []), True

    def close(self) -> None:
        """Commit what is pending and close the file; closing twice is harmless."""
        try:
            self.commit()
        finally:
            self._closed = True
            self._release()

    def _write(self, data: bytes) -> None:
        assert self._descriptor is not None, "it is opened again before it is written again"
        self._sound, rest = False, memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        os.fsync(self._descriptor)

    def _mend(self, committed: int) -> None:
        """Opens the file again, which a server that came back may demand, and cuts off what a failed commit left."""
        self._release()
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        size = os.fstat(self._descriptor).st_size
        if size < committed:
            raise JournalError(
                f"{self._path} has {size} bytes where {committed} were recorded: put the file back from a copy, or"
                f" resume the sweep from what is left."
            )
        os.ftruncate(self._descriptor, committed)

    def _release(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):  # of storage that is gone; what counts was flushed
                os.close(descriptor)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_journal(directory: Path) -> list[Event]:
    """All committed events of a sweep in order, over all its runs.

    Changes nothing, and may be called while another process writes: a last line without its line feed is left out.

    Raises:
        JournalError: A line fails its checksum or a file is missing; the message names it and says what to do.
    """
    files = journal_files(directory)
    for number, path in enumerate(files, start=1):
        if path.name != file_name(number):
            raise JournalError(
                f"{directory / file_name(number)} is missing, and {path.name} follows it: "
                f"put the file back from a copy, or {_what_can_be_done(directory)}"
            )
    return [event for path in files for event in _trusted(path, is_last=path == files[-1]).events]


def _trusted(path: Path, *, is_last: bool) -> JournalFile:
    """A file with nothing wrong but for a torn line at the end of the last."""
    file = read_file(path)
    if (fault := file.fault) is not None and not (fault.torn and is_last):
        raise JournalError(
            f"{path}, line {fault.line}: {fault.reason}, so the file was changed after it was written: "
            f"put the file back from a copy, or {_what_can_be_done(path.parent)}"
        )
    return file


def _what_can_be_done(directory: Path) -> str:
    return (
        f"see what can be repaired with caviar doctor {directory.parent}; "
        f"the work that is recorded from there on is then done again."
    )


def _cut_torn_line(path: Path) -> None:
    fault = _trusted(path, is_last=True).fault
    if fault is None:
        return
    _logger.warning("%s ends in a line that was not written whole: it is cut off.", path)
    os.truncate(path, fault.start)
    sync(path)


def _encode(event: Event) -> bytes:
    try:
        return orjson.dumps(event)
    except TypeError:
        return orjson.dumps(_as_text(event))


def _as_text(value: Any) -> Any:
    """The same value with "?" for the characters that UTF-8 cannot hold, as in the names of some files."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {_as_text(key): _as_text(item) for key, item in value.items()}
        case list() | tuple():
            return [_as_text(item) for item in value]
        case _:
            return value
