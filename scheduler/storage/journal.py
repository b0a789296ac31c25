"""The journal: every decision and outcome of a sweep, in order; what a resumed sweep replays.

Each run of a sweep writes one file, `000001.jsonl`, `000002.jsonl`, …, a line an event:

    {"crc32":"b6048f13","event":{"type":"decided","free":1,"assignments":[[3,1,0]],"configs":{}}}

The checksum is the CRC-32 of the bytes of all events of the file up to this one, so that a changed, a lost and a
misplaced line all show. A process that is killed while it writes leaves a last line without its line feed: that line
was never acknowledged, and it is cut off when the next run opens the journal. Anything else that does not verify
stops the sweep. In an object store a run writes an object a commit. `journal_lines` reads the lines, `journal_files`
has the names of the files and `journal_sink` writes them.
"""

import zlib
from collections.abc import Callable
from types import TracebackType
from typing import Any

import orjson

from ..errors import JournalError
from .durable import make_directory
from .journal_files import repair_last_run
from .journal_lines import Event, line_of
from .journal_reader import JournalReader
from .journal_sink import Position, Sink, open_sink
from .location import Location


class Journal:
    """The journal open for appending; one process at a time, under the sweep's lock.

    `append` only buffers: an event is durable once the next `commit` has returned.
    """

    def __init__(self, sink: Sink, number: int, check: Callable[[], None]) -> None:
        self._sink, self._check = sink, check
        self._pending: tuple[Position, list[bytes]] = Position(number), []
        """The end of the committed lines, and the events that follow them: one value, which Ctrl-C cannot split."""
        self._closed = False

    @classmethod
    def open(cls, directory: Location, check: Callable[[], None] = lambda: None, runs: int | None = None) -> "Journal":
        """Cut off a torn last line, and begin the next run.

        Args:
            directory: The sweep's journal folder; made if it does not exist.
            check: Called before each commit; raises when this process must not write to the sweep any more.
            runs: Number of runs that it has, where a `JournalReader` has just put them in order; looked up if None.
        """
        make_directory(directory)
        number = 1 + (repair_last_run(directory) if runs is None else runs)
        return cls(open_sink(directory, number), number, check)

    @property
    def path(self) -> Location:
        """The file this run writes; in an object store the folder of its objects."""
        return self._sink.path

    @property
    def pending(self) -> bool:
        """True where events wait for a commit."""
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
            raise JournalError(f"{self.path} is closed: nothing can be added to it.")
        self._pending[1].append(_encode(event))

    def commit(self) -> None:
        """Write the pending events in one piece and wait until they are on the disk.

        After a failure the events are still pending, and the next commit writes them again from where the committed
        ones end.

        Raises:
            OSError: They cannot be written, for example because the disk is full. What was committed before is there.
            StorageError: The same in an object store.
            JournalError: The file is not there any more as it was committed.
            SweepLockedError: Another process has taken the sweep over.
        """
        position, events = self._pending
        if not events or self._closed:
            return
        self.check()
        position = self._sink.begin(position)
        lines, crc = list[bytes](), position.crc
        for encoded in events:
            crc = zlib.crc32(encoded, crc)
            lines.append(line_of(crc, encoded))
        self._pending = self._sink.write(position, b"".join(lines), crc), []

    def check(self) -> None:
        """Makes sure that this process may still write to the sweep.

        Raises:
            SweepLockedError: Another process has taken it over.
            StorageError: The object store does not say.
        """
        self._check()

    def close(self) -> None:
        """Commit what is pending and close the file; closing twice is harmless."""
        if self._closed:
            return
        try:
            self.commit()
            self.check()
            self._sink.end()
        finally:
            self._closed = True
            self._sink.close()

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
    return list(JournalReader(directory).read())


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
