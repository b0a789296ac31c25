"""Messages between the lines of a job's log, which holds standard output, standard error and Ray's own lines mixed.

A message is JSON, packed and written as lines that nobody else writes:

    ::caviar result 1/2 5f3a9c01 eJyrVspM…
"""

import base64
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

_LINE = re.compile(r"::caviar ([a-z]+) ([0-9]+)/([0-9]+) ([0-9a-f]{8}) ([A-Za-z0-9+/=]*)")
_LONGEST = 8_000
"""Characters of a line: Ray sends a log in pieces that a long line would not fit into."""
_MOST_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Message:
    """A message from the cluster's side.

    Attributes:
        kind: Its subject, a word in small letters.
        content: JSON.
    """

    kind: str
    content: Any


@dataclass(frozen=True, slots=True)
class Output:
    """The output of a command on the cluster, and its exit code.

    Attributes:
        code: Its exit code.
        stdout: Its standard output.
        stderr: Its standard error.
    """

    code: int
    stdout: str
    stderr: str


def write_message(message: Message) -> str:
    """The lines of a message, with an empty one first that ends whatever was being printed."""
    packed = base64.b64encode(zlib.compress(orjson.dumps(message.content))).decode()
    pieces = [packed[start : start + _LONGEST] for start in range(0, len(packed), _LONGEST)]
    checksum = f"{zlib.crc32(packed.encode()):08x}"
    lines = [
        f"::caviar {message.kind} {number}/{len(pieces)} {checksum} {piece}"
        for number, piece in enumerate(pieces, start=1)
    ]
    return "\n" + "\n".join(lines) + "\n"


@dataclass(slots=True)
class LogReader:
    """Takes a log as it comes apart into lines for people and messages."""

    _rest: str = ""
    _empty: str = ""
    _pieces: list[str] = field(default_factory=list)

    def feed(self, text: str) -> Iterator[str | Message]:
        """The lines and messages that the next piece of the log completes; lines have their line feed."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            found = _LINE.fullmatch(line.rstrip("\r"))
            if found is not None:
                self._empty = ""
                yield from self._take(found)
            elif not line and not self._empty:
                self._empty = "\n"
            else:
                yield f"{self._empty}{line}\n"
                self._empty = ""

    def end(self) -> Iterator[str]:
        """The rest of a log that has ended: a line without its line feed."""
        if left := self._empty + self._rest:
            yield left
        self._rest = self._empty = ""

    def _take(self, found: re.Match[str]) -> Iterator[Message]:
        kind, number, count, checksum, piece = found.groups()
        if int(number) == 1:
            self._pieces = []
        self._pieces.append(piece)
        if int(number) == int(count) == len(self._pieces):
            packed = "".join(self._pieces)
            if f"{zlib.crc32(packed.encode()):08x}" == checksum:
                yield Message(kind, _unpack(packed))


def messages_of(log: str) -> list[Message]:
    """The messages of a whole log."""
    return [found for found in LogReader().feed(f"{log}\n") if isinstance(found, Message)]


def as_output(message: Message) -> Output:
    """Reads the message of kind `result`."""
    content = message.content
    return Output(int(content["code"]), str(content["stdout"]), str(content["stderr"]))


def _unpack(packed: str) -> Any:
    unpacker = zlib.decompressobj()
    return orjson.loads(unpacker.decompress(base64.b64decode(packed), _MOST_BYTES))
