"""The lines of a journal file: which of them can be trusted, and what is wrong with the first that cannot.

A line is `{"crc32":"b6048f13","event":{…}}` and a line feed; the checksum is the CRC-32 of the bytes of all events of
the file up to this one.
"""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from .durable import list_files

SUFFIX = ".jsonl"
_PREFIX = b'{"crc32":"%08x","event":'
_PREFIX_LENGTH = len(_PREFIX % 0)

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class JournalFault:
    """The first line of a file that cannot be trusted.

    Attributes:
        line: Its number, from 1.
        start: Where it begins, in bytes.
        reason: What is wrong with it.
        torn: Whether it is what a process leaves that is killed while it writes: a last line without its end.
    """

    line: int
    start: int
    reason: str
    torn: bool


@dataclass(frozen=True, slots=True)
class JournalFile:
    """A file of the journal, as far as it can be trusted.

    Attributes:
        path: The file.
        events: The events before the fault, or all.
        starts: Where the line of each event begins, in bytes.
        fault: What is wrong with the line after them; None if nothing is.
    """

    path: Path
    events: list[Event]
    starts: list[int]
    fault: JournalFault | None


def file_name(number: int) -> str:
    """The name of the journal's n-th file, from 1."""
    return f"{number:06d}{SUFFIX}"


def journal_files(directory: Path) -> list[Path]:
    """The files of a journal by name, also those that have a wrong one."""
    return list_files(directory, SUFFIX)


def line_of(crc: int, encoded: bytes) -> bytes:
    """The line of an event, with its line feed.

    Args:
        crc: The CRC-32 of all events of the file up to this one.
        encoded: The event in JSON.
    """
    return b"%b%b}\n" % (_PREFIX % crc, encoded)


def read_file(path: Path) -> JournalFile:
    """Reads a file up to its first fault; what follows a fault cannot be trusted."""
    *lines, rest = path.read_bytes().split(b"\n")
    events, starts, start, crc = list[Event](), list[int](), 0, 0
    for number, line in enumerate(lines, start=1):
        encoded = line[_PREFIX_LENGTH:-1]
        crc = zlib.crc32(encoded, crc)
        event = _event(encoded) if line + b"\n" == line_of(crc, encoded) else "the checksum does not match"
        if isinstance(event, str):
            return JournalFile(path, events, starts, JournalFault(number, start, event, False))
        events.append(event)
        starts.append(start)
        start += len(line) + 1
    return JournalFile(path, events, starts, _fault_at_end(rest, crc, len(lines) + 1, start) if rest else None)


def event_place(directory: Path, index: int) -> tuple[Path, int]:
    """The file and the line, from 1, of the event that stands at an index of `read_journal`'s list."""
    for path in journal_files(directory):
        count = len(read_file(path).events)
        if index < count:
            return path, index + 1
        index -= count
    return directory, 0


def _event(encoded: bytes) -> Event | str:
    """The event, or what is wrong with it."""
    try:
        event = orjson.loads(encoded)
    except ValueError as error:
        return f"it is no JSON ({error})"
    return event if isinstance(event, dict) else "it holds no event"


def _fault_at_end(rest: bytes, crc: int, number: int, start: int) -> JournalFault:
    """What is wrong with bytes after the last line feed: torn, unless a whole line with other bytes after it."""
    place = _PREFIX_LENGTH
    while (end := rest.find(b"}", place)) >= 0:
        # Checksums add up over the stretches between braces, each of which could be the line's last.
        crc, place = zlib.crc32(rest[place:end], crc), end
        if rest.startswith(_PREFIX % crc) and end + 1 < len(rest):
            return JournalFault(number, start, "its line feed is another byte", False)
        crc, place = zlib.crc32(b"}", crc), end + 1
    return JournalFault(number, start, "it was not written whole", True)
