"""The journal: every decision and outcome of a sweep, in order; what a resumed sweep replays.

Each run of a sweep writes one file, `000001.jsonl`, `000002.jsonl`, …, a line an event:

    {"crc32":"b6048f13","event":{"type":"decided","free":1,"assignments":[[3,1,0]],"configs":{}}}

The checksum is the CRC-32 of the bytes of all events of the file up to this one, so that a changed, a lost and a
misplaced line all show. A process that is killed while it writes leaves a last line without its line feed: that line
was never acknowledged, and it is cut off when the next run opens the journal. Anything else that does not verify
stops the sweep. In an object store a run writes an object a commit: `journal_files` has their names.
"""

import zlib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import orjson

from ..errors import JournalError
from .durable import make_directory
from .journal_files import lines, runs, settle
from .journal_sink import Sink, open_sink
from .location import Location

_PREFIX = b'{"crc32":"%08x","event":'
_PREFIX_LENGTH = len(_PREFIX % 0)

Event = dict[str, Any]


class Journal:
    """The journal open for appending; one process at a time, under the sweep's lock.

    `append` only buffers: an event is durable once the next `commit` has returned.
    """

    def __init__(self, sink: Sink, check: Callable[[], None]) -> None:
        self._path = sink.path
        self._sink: Sink | None = sink
        self._check = check
        self._lines: list[bytes] = []
        self._crc = 0

    @classmethod
    def open(cls, directory: Location, check: Callable[[], None] = lambda: None) -> "Journal":
        """Cut off a torn last line, and begin the next run.

        Args:
            directory: The sweep's journal folder; made if it does not exist.
            check: Called before each commit; raises when this process must not write to the sweep any more.
        """
        make_directory(directory)
        return cls(open_sink(directory, settle(directory) + 1), check)

    @property
    def path(self) -> Location:
        """The file this run writes; in an object store the folder of its objects."""
        return self._path

    @property
    def pending(self) -> bool:
        """Whether events wait for a commit."""
        return bool(self._lines)

    def append(self, event: Event) -> None:
        """Add an event to what the next commit writes.

        Args:
            event: JSON values under string keys, integers of at most 64 bits. JSON has no NaN and no infinity: they
                come back as None. Characters that are not Unicode text (lone surrogates) come back as "?".

        Raises:
            JournalError: The journal is closed.
        """
        if self._sink is None:
            raise JournalError(f"{self._path} is closed: nothing can be added to it.")
        encoded = _encode(event)
        self._crc = zlib.crc32(encoded, self._crc)
        self._lines.append(b"%b%b}\n" % (_PREFIX % self._crc, encoded))

    def commit(self) -> None:
        """Write the pending events in one piece and wait until they are on the disk.

        Raises:
            JournalError: They cannot be written, for example because the disk is full. The journal is closed then,
                and holds everything that was committed before.
            SweepError: The same in an object store.
            SweepLockedError: Another process has taken the sweep over.
        """
        if not self._lines or self._sink is None:
            return
        data, written = b"".join(self._lines), False
        try:
            self.check()
            if self._sink.write(data):
                self._crc = 0
            written = True
        except OSError as error:
            raise JournalError(
                f"{self._path} cannot be written ({error.strerror}): remove the cause and resume the sweep; "
                f"nothing that was recorded before is lost."
            ) from error
        finally:
            # Lines that may be in the file must not be written a second time, whatever came in between: Ctrl-C too.
            self._lines.clear()
            if not written:
                self._release()

    def check(self) -> None:
        """Makes sure that this process may still write to the sweep.

        Raises:
            SweepLockedError: Another process has taken it over.
        """
        self._check()

    def close(self) -> None:
        """Commit what is pending and close the file; closing twice is harmless."""
        try:
            self.commit()
            if self._sink is not None:
                self.check()
                self._sink.end()
        finally:
            self._release()

    def _release(self) -> None:
        self._lines.clear()
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_journal(directory: Location) -> list[Event]:
    """All committed events of a sweep in order, over all its runs.

    Changes nothing, and may be called while another process writes: a last line without its line feed is left out.

    Raises:
        JournalError: A line fails its checksum or a file is missing; the message names it and says what to do.
    """
    found = runs(directory)
    return [event for run in found for event in _read_run(run, is_last=run == found[-1])]


def _read_run(run: Location, *, is_last: bool) -> Iterator[Event]:
    crc = 0
    for path, number, line in lines(run, is_last=is_last):
        encoded = line[_PREFIX_LENGTH:-1]
        crc = zlib.crc32(encoded, crc)
        if line != b"%b%b}" % (_PREFIX % crc, encoded):
            raise JournalError(
                f"{path}, line {number}: the checksum does not match, so the line was changed after it was written: "
                f"put the file back from a copy, or delete this line and all that follow, later files included, "
                f"and resume; the work they record is then done again."
            )
        event: Event = orjson.loads(encoded)
        yield event


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
