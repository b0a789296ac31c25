"""The lines of a journal: which of them can be trusted, and what is wrong with the first that cannot.

A line is `{"crc32":"b6048f13","event":{…}}` and a line feed; the checksum is the CRC-32 of the bytes of all events of
the run up to this one.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
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
        start: Where it begins, in bytes of the whole run.
        reason: What is wrong with it.
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
        starts: Where the line of each event begins, in bytes of the whole run.
        fault: What is wrong with the line after them; None if nothing is.
        counts: How many of the events are in which file, in order.
    """

    path: Location
    events: list[Event]
    starts: list[int]
    fault: JournalFault | None
    counts: list[tuple[Location, int]]

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


def read_lines(run: Location, contents: Iterable[tuple[Location, bytes | str]]) -> JournalFile:
    """Reads a run up to its first fault; what follows a fault cannot be trusted.

    Args:
        run: The run's file or folder.
        contents: Its files in order, each with what is in it, or with why that is not known.
    """
    file = JournalFile(run, [], [], None, [])
    start = crc = 0
    for path, content in contents:
        if isinstance(content, str):
            return _broken_off(file, JournalFault(path, None, start, content, False))
        before = len(file.events)
        start, crc, fault = _take(file, path, content, (start, crc))
        file.counts.append((path, len(file.events) - before))
        if fault is not None:
            return _broken_off(file, fault)
    return file


def _take(file: JournalFile, path: Location, data: bytes, at: tuple[int, int]) -> tuple[int, int, JournalFault | None]:
    """Reads the lines of one file of a run; returns where it ends, the checksum there and the fault, if there is one.

    Args:
        file: Where events are added.
        path: The file.
        data: What is in it.
        at: Where it begins in the run, and the checksum there.
    """
    (start, crc), (*lines, rest) = at, data.split(b"\n")
    for number, line in enumerate(lines, start=1):
        encoded = line[_PREFIX_LENGTH:-1]
        crc = zlib.crc32(encoded, crc)
        event = _event(encoded) if line + b"\n" == line_of(crc, encoded) else _NO_MATCH
        if isinstance(event, str):
            return start, crc, JournalFault(path, number, start, event, False)
        file.events.append(event)
        file.starts.append(start)
        start += len(line) + 1
    if not rest:
        return start, crc, None
    reason, torn = _at_end(rest, crc) if path == file.path else (_NO_MATCH, False)  # an object is whole, or not there
    return start, crc, JournalFault(path, len(lines) + 1, start, reason, torn)


def _broken_off(file: JournalFile, fault: JournalFault) -> JournalFile:
    return JournalFile(file.path, file.events, file.starts, fault, file.counts)


def _event(encoded: bytes) -> Event | str:
    """The event, or what is wrong with it."""
    try:
        event = orjson.loads(encoded)
    except ValueError as error:
        return f"it is no JSON ({error})"
    return event if isinstance(event, dict) else "it holds no event"


def _at_end(rest: bytes, crc: int) -> tuple[str, bool]:
    """What is wrong with bytes after the last line feed: torn, unless a whole line with other bytes after it."""
    place = _PREFIX_LENGTH
    while (end := rest.find(b"}", place)) >= 0:
        # Checksums add up over the stretches between braces, each of which could be the line's last.
        crc, place = zlib.crc32(rest[place:end], crc), end
        if rest.startswith(_PREFIX % crc) and end + 1 < len(rest):
            return "its line feed is another byte", False
        crc, place = zlib.crc32(b"}", crc), end + 1
    return "it was not written whole", True
