"""Notes of the journal on each report part, so that one that is lost or changed later is noticed."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ReplayError
from ..storage.location import Location

PART_PREFIX = "part-"


@dataclass(frozen=True, slots=True)
class PartMark:
    """A part as it was written.

    Attributes:
        number: The part's number.
        rows: Number of reports that it holds.
        crc32: The CRC-32 of the file, 8 hexadecimal digits.
    """

    number: int
    rows: int
    crc32: str

    @classmethod
    def of(cls, number: int, rows: int, data: bytes | memoryview) -> "PartMark":
        """The mark of a part with this content."""
        return cls(number, rows, f"{zlib.crc32(data):08x}")

    @classmethod
    def from_json(cls, value: Sequence[Any]) -> "PartMark":
        """Reads what `to_json` gave.

        Raises:
            ValueError: It is something else.
        """
        number, rows, crc32 = value
        return cls(int(number), int(rows), str(crc32))

    def to_json(self) -> list[Any]:
        """The mark as it stands in the journal."""
        return [self.number, self.rows, self.crc32]


def part_path(results: Location, number: int) -> Location:
    """The path of a part."""
    return results / f"{PART_PREFIX}{number:06d}.parquet"


def part_number(path: Location) -> int | None:
    """The number of a part by its name; None for the name of anything else."""
    digits = path.stem.removeprefix(PART_PREFIX)
    is_number = digits.isascii() and digits.isdecimal()
    return int(digits) if is_number and part_path(path.parent, int(digits)).name == path.name else None


def recorded_parts(events: Iterable[Mapping[str, Any]]) -> dict[int, list[PartMark]]:
    """The marks that each part may have now, by number.

    A run notes in its `opened` event what it will drop from the parts, and in `rewriting` what other columns they will
    have, and does it then: while nothing follows that event, a part may be as it was before or as it is to be.

    Args:
        events: The journal.

    Raises:
        ReplayError: An event says something else of parts than Caviar writes.
    """
    marks: dict[int, list[PartMark]] = {}
    unsettled: list[int] = []
    for place, event in enumerate(events):
        if event["type"] != "repaired":  # a repair says nothing of whether the reports were dropped
            marks.update((number, marks[number][-1:]) for number in unsettled if number in marks)
            unsettled = []
        try:
            unsettled += _note(event, marks)
        except (LookupError, TypeError, ValueError) as error:
            raise ReplayError(place, f"The journal has an event that says nothing of parts ({error}).") from error
    return marks


def _note(event: Mapping[str, Any], marks: dict[int, list[PartMark]]) -> list[int]:
    """Takes down the marks in an event, and returns the parts that may still be as they were before."""
    for number in event.get("removed", ()):
        marks.pop(number, None)
    found = [PartMark.from_json(part) for part in event.get("parts", ())]
    if event["type"] not in {"opened", "rewriting"}:
        marks.update((mark.number, [mark]) for mark in found)
        return []
    for mark in found:
        marks.setdefault(mark.number, []).append(mark)
    return [mark.number for mark in found]


def part_fault(path: Location, allowed: Sequence[PartMark]) -> str | None:
    """The fault of a part that the journal knows; None if there is none."""
    return read_marked(path, allowed)[1]


def read_marked(path: Location, allowed: Sequence[PartMark]) -> tuple[bytes, str | None]:
    """The bytes of a part that the journal knows, and what is wrong with it; None if nothing is."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return b"", f"is missing, and the journal says that it holds {allowed[-1].rows:,} reports"
    except OSError as error:
        return b"", f"cannot be read ({error.strerror})"
    if f"{zlib.crc32(data):08x}" in {mark.crc32 for mark in allowed}:
        return data, None
    return data, f"is not the file that was written, of {allowed[-1].rows:,} reports"
