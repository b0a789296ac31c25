"""The lines of a journal: which of them can be trusted, and what is wrong with the first that cannot.

A line is `{"crc32":"b6048f13","event":{…}}` and a line feed; the checksum is the CRC-32 of the bytes of all events of
the run up to this one.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import orjson

from .location import Location

_PREFIX = b'{"crc32":"%08x","event":'
_PREFIX_LENGTH = len(_PREFIX % 0)
_NO_MATCH = "the checksum does not match"

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class JournalFault:
    """The first line of a run that cannot be trusted.

    Attributes:
        path: The file that it is in.
        line: Its number in the file, from 1; None where the file is missing.
        start: Its beginning, in bytes of the whole run.
        reason: The fault, in words.
        torn: Whether it is what a process leaves that is killed while it writes: a last line without its end.
    """

    path: Location
    line: int | None
    start: int
    reason: str
    torn: bool


@dataclass(frozen=True, slots=True)
class JournalFile:
    """A run of the journal, as far as it can be trusted: a file, or a folder of an object a commit.

    Attributes:
        path: The file or folder.
        events: The events before the fault, or all.
        starts: The beginning of each event's line, in bytes of the whole run.
        fault: The fault of the line after them; None if there is none.
        counts: Number of the events that are in each file, in order.
        size: The end of the last event's line, in bytes of the whole run.
        crc: The CRC-32 of all events.
    """

    path: Location
    events: list[Event]
    starts: list[int]
    fault: JournalFault | None
    counts: list[tuple[Location, int]]
    size: int = 0
    crc: int = 0

    def place(self, index: int) -> tuple[Location, int]:
        """The file and the line, from 1, of an event."""
        for path, count in self.counts:
            if index < count:
                return path, index + 1
            index -= count
        return self.path, 0


def line_of(crc: int, encoded: bytes) -> bytes:
    """The line of an event, with its line feed.

    Args:
        crc: The CRC-32 of all events of the run up to this one.
        encoded: The event in JSON.
    """
    return b"%b%b}\n" % (_PREFIX % crc, encoded)


def read_lines(
    run: Location, contents: Iterable[tuple[Location, bytes | str]], before: JournalFile | None = None
) -> JournalFile:
    """Reads a run up to its first fault; what follows a fault cannot be trusted.

    Args:
        run: The run's file or folder.
        contents: Its files in order, each with what is in it, or with why that is not known.
        before: The run as far as it was read before, if it was: the contents follow its last event, which are added to
            its lists.
    """
    file = JournalFile(run, [], [], None, []) if before is None else replace(before, path=run, fault=None)
    for path, content in contents:
        if isinstance(content, str):
            return replace(file, fault=JournalFault(path, None, file.size, content, False))
        file = _read_on(file, path, content)
        if file.fault is not None:
            break
    return file


def _read_on(file: JournalFile, path: Location, data: bytes) -> JournalFile:
    """The run with the lines of one file, or of what was added to it since.

    Args:
        file: The run so far.
        path: The file.
        data: Its bytes, from where the run so far ends.
    """
    *lines, rest = data.split(b"\n")
    known = file.counts.pop()[1] if file.counts and file.counts[-1][0] == path else 0
    size, crc, fault = file.size, file.crc, None
    for line in lines:
        encoded = line[_PREFIX_LENGTH:-1]
        following = zlib.crc32(encoded, crc)
        event = _event(encoded) if line + b"\n" == line_of(following, encoded) else _NO_MATCH
        if isinstance(event, str):
            fault = JournalFault(path, known + 1, size, event, False)
            break
        file.events.append(event)
        file.starts.append(size)
        size, crc, known = size + len(line) + 1, following, known + 1
    file.counts.append((path, known))
    if fault is None and rest:
        # An object is whole, or not there.
        reason, torn = _at_end(rest, crc) if path == file.path else (_NO_MATCH, False)
        fault = JournalFault(path, known + 1, size, reason, torn)
    return replace(file, size=size, crc=crc, fault=fault)


def _event(encoded: bytes) -> Event | str:
    """The event, or what is wrong with it."""
    try:
        event = orjson.loads(encoded)
    except ValueError as error:
        return f"it is no JSON ({error})"
    return event if isinstance(event, dict) else "it holds no event"


def _at_end(rest: bytes, crc: int) -> tuple[str, bool]:
    """The fault of bytes after the last line feed: torn, unless a whole line with other bytes after it."""
    place = _PREFIX_LENGTH
    while (end := rest.find(b"}", place)) >= 0:
        # Checksums add up over the stretches between braces, each of which could be the line's last.
        crc, place = zlib.crc32(rest[place:end], crc), end
        if rest.startswith(_PREFIX % crc) and end + 1 < len(rest):
            return "its line feed is another byte", False
        crc, place = zlib.crc32(b"}", crc), end + 1
    return "it was not written whole", True
