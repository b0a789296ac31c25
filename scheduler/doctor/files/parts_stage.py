"""The files in results/: parts that are lost, changed or no part of the sweep, and files that do not belong there."""

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...errors import ResultsError
from ...finding import Severity
from ...results.part_marks import PartMark, part_fault, part_number, part_path
from ...results.schema import SweepMetadata
from ...storage import Location, SweepDirectory
from ...storage.durable import list_folder
from .diagnosis import Finding, Fix
from .inspection import InspectedPart, empty_part, inspect_part
from .quarantine import Quarantine

Marks = Mapping[int, Sequence[PartMark]]


@dataclass(frozen=True, slots=True)
class ScannedParts:
    """Contents of results/.

    Attributes:
        results: The folder.
        marks: The journal's knowledge of the parts.
        good: The parts that can be used, by number.
        bad: Faults of the others, by number; also of parts that are not there.
        foreign: Files that are no part.
    """

    results: Location
    marks: Marks
    good: dict[int, InspectedPart] = field(default_factory=dict)
    bad: dict[int, str] = field(default_factory=dict)
    foreign: list[Location] = field(default_factory=list)

    @property
    def lost_rows(self) -> int:
        """Number of reports that the bad parts held, as far as the journal knows them."""
        return sum(self.marks[number][-1].rows for number in self.bad if number in self.marks)

    def copies(self, number: int) -> list[Location]:
        """Files under other names with the content of the part as it was written."""
        sums = {mark.crc32 for mark in self.marks.get(number, ())}
        unknown = [part.path for other, part in self.good.items() if other not in self.marks]
        files = [path for path in (*self.foreign, *unknown) if path.is_file()]
        return [path for path in files if f"{zlib.crc32(path.read_bytes()):08x}" in sums]


def scan_parts(directory: SweepDirectory, metadata: SweepMetadata, marks: Marks) -> ScannedParts:
    """Reads all parts.

    Args:
        directory: The sweep's directory.
        metadata: The contents that their metadata must have.
        marks: The journal's knowledge of them.
    """
    found = ScannedParts(directory.results, marks)
    paths = list_folder(directory.results)
    numbers = {path: part_number(path) if path.is_file() else None for path in paths}
    found.foreign.extend(path for path in paths if numbers[path] is None)
    known = {number for number in numbers.values() if number is not None}
    for number in sorted({*known, *marks}):
        path = part_path(directory.results, number)
        if number in marks and (fault := part_fault(path, marks[number])) is not None:
            found.bad[number] = fault
            continue
        try:
            found.good[number] = inspect_part(path, metadata)
        except ResultsError as error:
            found.bad[number] = str(error).rstrip(".")
    _set_aside_odd_columns(found)
    return found


def parts_findings(found: ScannedParts) -> Iterator[Finding]:
    """Faults of files in results/; the consequence of lost rows for the sweep is said elsewhere."""
    for number, problem in found.bad.items():
        yield _bad_part(found, number, problem)
    for path in found.foreign:
        severity = Severity.BROKEN if path.suffix == ".parquet" else Severity.WARNING
        yield Finding(
            severity,
            path,
            "is not one of Caviar's files",
            "readers of results/*.parquet stop at it, or take it for reports",
            fix=_moved(path),
        )
    if found.good and 0 not in found.good and 0 not in found.bad:
        yield _no_first_part(found)


def _bad_part(found: ScannedParts, number: int, problem: str) -> Finding:
    path, copies = part_path(found.results, number), found.copies(number)
    rows = found.marks[number][-1].rows if number in found.marks else None

    def take_away(quarantine: Quarantine) -> str:
        if copies:
            quarantine.put_back(copies[0], path)
            return f"gave {copies[0].name} its name again, {path.name}"
        if path.exists():
            quarantine.move(path)
        quarantine.noted(removed=[number])
        return f"took {path.name} out of the sweep"

    meaning = "its reports are lost" if rows is None else f"its {rows:,} reports are lost"
    if copies:
        meaning = f"{copies[0].name} is this part under another name"
    elif rows == 0:
        meaning = "it held no reports: nothing is lost"
    return Finding(Severity.BROKEN, path, problem, meaning, fix=take_away)


def _no_first_part(found: ScannedParts) -> Finding:
    path, like = part_path(found.results, 0), next(iter(found.good.values()))

    def write(quarantine: Quarantine) -> str:
        data, mark = empty_part(like, 0)
        quarantine.replace(path, data)
        quarantine.noted([mark])
        return f"wrote {path.name}, which has no rows"

    meaning = "it held no reports, and the others are complete without it"
    return Finding(Severity.WARNING, path, "is missing", meaning, fix=write)


def _moved(path: Location) -> Fix:
    def move(quarantine: Quarantine) -> str:
        if path.exists():  # it may have turned out to be a part, and have its own name by now
            quarantine.move(path)
        return f"moved {path.name} away"

    return move


def _set_aside_odd_columns(found: ScannedParts) -> None:
    """Takes parts out of the good ones where they have other columns than most."""
    kinds = [part.columns for part in found.good.values()]
    if not kinds:
        return
    usual = Counter(str(kind) for kind in kinds).most_common(1)[0][0]
    for number, part in list(found.good.items()):
        if str(part.columns) != usual:
            del found.good[number]
            found.bad[number] = "has other columns than the other parts"
