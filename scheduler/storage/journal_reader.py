"""A journal that is read on: each reading costs what was added since the last one."""

from collections.abc import Sequence

from ..errors import JournalError
from .journal_files import read_file, repair_tail, trusted, trusted_files
from .journal_lines import Event, JournalFile
from .location import Location


class JournalReader:
    """The committed events of a sweep in order, over all its runs.

    Changes nothing, and may read while another process writes: a last line without its line feed is left out.

    Args:
        directory: The sweep's journal folder.
    """

    def __init__(self, directory: Location) -> None:
        self._directory = directory
        self._runs: list[JournalFile] = []

    @property
    def runs(self) -> int:
        """Runs that were read, the last of them as far as it had come."""
        return len(self._runs)

    @property
    def events(self) -> list[Event]:
        """All events that were read."""
        return [event for run in self._runs for event in run.events]

    def read(self) -> Sequence[Event]:
        """The events that were committed since the last reading.

        Raises:
            JournalError: A line fails its checksum, or a file is missing or not what it was; the message names it and
                says what to do. The next reading begins anew.
        """
        known = self._runs
        self._runs = []
        found = trusted_files(self._directory)
        if len(found) < len(known):
            raise JournalError(f"{self._directory} has {len(found)} runs, and {len(known)} were read before.")
        # Only the last run that was read can have grown.
        self._runs, last = known[:-1], known[-1:]
        new: list[Event] = []
        for run in found[len(self._runs) :]:
            before = last.pop() if last else None
            start = 0 if before is None else len(before.events)
            try:
                file = trusted(read_file(run, before), is_last=run == found[-1])
            except JournalError:
                self._runs = []
                raise
            self._runs.append(file)
            new += file.events[start:]
        return new

    def repair_tail(self) -> None:
        """Puts the last run in order, as only the process that holds the lock may.

        A torn last line is cut off, and objects of a run that did not end are joined.
        """
        for last in self._runs[-1:]:
            repair_tail(last)

    def place(self, index: int) -> tuple[Location, int]:
        """The file and the line, from 1, of an event by its index among all."""
        for run in self._runs:
            if index < len(run.events):
                return run.place(index)
            index -= len(run.events)
        return self._directory, 0
