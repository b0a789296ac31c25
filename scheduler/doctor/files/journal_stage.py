"""The journal's files: the lines that can be trusted, and cutting the journal before the first that cannot."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import ReplayError
from ...finding import Severity
from ...results.part_marks import recorded_parts
from ...storage import (
    JournalFile,
    Location,
    SweepDirectory,
    file_name,
    folder_name,
    joined_file,
    read_file,
    run_bytes,
    run_files,
)
from .diagnosis import Finding
from .quarantine import Quarantine

Events = Sequence[Mapping[str, Any]]

_DONE_AGAIN = "what it and all later lines record is not known any more: that work is done again"


@dataclass(frozen=True, slots=True)
class ScannedJournal:
    """The journal as far as it can be trusted.

    Attributes:
        directory: Its folder.
        files: Its files in order, up to the first that is misplaced or has a fault.
        others: The files that follow, or have a wrong name.
    """

    directory: Location
    files: Sequence[JournalFile]
    others: Sequence[Location]

    @property
    def events(self) -> list[Mapping[str, Any]]:
        """All events that can be trusted."""
        return [event for file in self.files for event in file.events]

    @property
    def later_events(self) -> list[Mapping[str, Any]]:
        """The events of the files that follow but do not count, as far as each can be trusted alone."""
        numbered = [path for path in self.others if path.stem.isdecimal()]
        return [event for path in numbered for event in read_file(path).events]

    def place(self, index: int) -> tuple[Location, int]:
        """The file and the line of an event."""
        for file in self.files:
            if index < len(file.events):
                return file.place(index)
            index -= len(file.events)
        return self.directory, 0

    def cut(self, index: int, quarantine: Quarantine) -> str:
        """Ends the journal before an event; later files are moved away, and the file as it was is kept.

        Args:
            index: The event's place among `events`.
            quarantine: Keeps the part that is cut off.
        """
        place, line = self.place(index)
        ahead, file = index, self.files[0]
        for file in self.files:
            if ahead < len(file.events):
                break
            ahead -= len(file.events)
        _restate_parts(self.events[:index], [*self.events[index:], *self.later_events], quarantine)
        for path in reversed([*(file.path for file in self.files), *self.others]):
            if path == file.path:
                break
            quarantine.move(path)
        _end_at(file, file.starts[ahead], quarantine)
        return f"cut {place.name} before line {line}"


def scan_journal(directory: Location) -> ScannedJournal:
    """Reads the journal up to the first thing in it that cannot be trusted."""
    files, paths = list[JournalFile](), run_files(directory)
    for number, path in enumerate(paths, start=1):
        if path.stem != folder_name(number):
            break
        files.append(read_file(path))
        if files[-1].fault is not None:
            break
    return ScannedJournal(directory, files, paths[len(files) :])


def journal_findings(directory: SweepDirectory, journal: ScannedJournal, *, running: bool) -> Iterator[Finding]:
    """Faults of the files of the journal."""
    fault = journal.files[-1].fault if journal.files else None
    if fault is not None and fault.torn and not journal.others:
        if not running:
            yield _torn(journal.files[-1])
    elif fault is not None:
        yield _changed(journal)
    elif journal.others:
        yield _misplaced(journal)


def _torn(file: JournalFile) -> Finding:
    fault = file.fault
    assert fault is not None, "asked only of a file with a torn line"

    def cut(quarantine: Quarantine) -> str:
        return _end_at(file, fault.start, quarantine)

    return Finding(
        Severity.NOTE,
        fault.path,
        "the last line was not written whole, as when a process is killed",
        "it was never acknowledged: nothing is lost, and the next resume cuts it off",
        line=fault.line,
        fix=cut,
    )


def _changed(journal: ScannedJournal) -> Finding:
    file = journal.files[-1]
    fault = file.fault
    assert fault is not None, "asked only of a journal with a fault"

    def cut(quarantine: Quarantine) -> str:
        _restate_parts(journal.events, journal.later_events, quarantine)
        for path in reversed(journal.others):
            quarantine.move(path)
        return _end_at(file, fault.start, quarantine)

    problem = fault.reason if fault.line is None else f"{fault.reason}: it was changed"
    return Finding(Severity.BROKEN, fault.path, problem, _DONE_AGAIN, line=fault.line, fix=cut)


def _misplaced(journal: ScannedJournal) -> Finding:
    def move(quarantine: Quarantine) -> str:
        _restate_parts(journal.events, journal.later_events, quarantine)
        for path in reversed(journal.others):
            quarantine.move(path)
        return f"moved {', '.join(path.name for path in journal.others)} of the journal away"

    missing = journal.directory / file_name(len(journal.files) + 1)
    return Finding(
        Severity.BROKEN,
        missing,
        f"is missing, and {journal.others[0].name} follows it",
        "what the missing file and those after it record is not known any more: that work is done again",
        fix=move,
    )


def _restate_parts(kept: Events, gone: Events, quarantine: Quarantine) -> None:
    """Restates the facts in the journal's lost end about parts that it still knows: they were rewritten since."""
    before = recorded_parts(kept)
    try:
        after = recorded_parts([*kept, *gone])
    except (ReplayError, KeyError):
        return
    quarantine.noted(removed=[number for number in before if number not in after])
    quarantine.noted(after[number][-1] for number in before if number in after and after[number] != before[number])


def _end_at(file: JournalFile, size: int, quarantine: Quarantine) -> str:
    data = run_bytes(file.path)[:size]
    if file.path.is_dir():  # a copy from an object store
        quarantine.replace(joined_file(file.path), data)
        quarantine.move(file.path)
    else:
        quarantine.replace(file.path, data)
    return f"cut {file.path.name} after {size:,} bytes"
