"""The report parts as a run finds them: each is read once and checked, and rid of what no outcome covers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..errors import ResultsError
from ..storage.directory import SweepDirectory
from ..storage.durable import write_file
from ..storage.location import Location, read_several
from .part_marks import PartMark, part_number, part_path, read_marked
from .schema import to_parquet
from .sealed import read_sealed, schema_of, sealed_bytes, table_of
from .writer import mark_as, report_parts

_AT_ONCE = 64
"""Parts that are in memory at a time."""
_KEYS = ["trial", "step"]


@dataclass(frozen=True, slots=True)
class FoundPart:
    """A report part, as far as a run has to know it before it goes on.

    Attributes:
        path: The file.
        mark: The mark of the file as it is now.
        schema: Its columns.
        trials: int32 [n], the trials that it has reports of, ascending.
        last: int64 [n], the last step that it has of each.
    """

    path: Location
    mark: PartMark
    schema: pa.Schema
    trials: npt.NDArray[np.int32]
    last: npt.NDArray[np.int64]

    def is_covered(self, covered: Mapping[int, int]) -> bool:
        """True where it has no report after the last acknowledged step of its trial."""
        return all(last <= covered.get(trial, -1) for trial, last in zip(self.trials.tolist(), self.last, strict=True))


def find_parts(directory: SweepDirectory, known: Mapping[int, Sequence[PartMark]]) -> list[FoundPart]:
    """Reads every part of a sweep once, and looks whether those that the journal knows are as they were written.

    Args:
        directory: The sweep's directory.
        known: The marks that each part may have by the journal, by number.

    Returns:
        The parts by number.

    Raises:
        ResultsError: One is not there, was changed or cannot be read; the message names it and says what to do.
    """
    there = {part_number(path) or 0 for path in report_parts(directory.results)}
    paths = [part_path(directory.results, number) for number in sorted(there | set(known))]
    found: list[FoundPart] = []
    for begin in range(0, len(paths), _AT_ONCE):
        found += read_several(paths[begin : begin + _AT_ONCE], lambda path: _found(path, known, directory))
    return found


def marks_to_note(
    parts: Sequence[FoundPart], covered: Mapping[int, int], known: Mapping[int, Sequence[PartMark]]
) -> list[PartMark]:
    """The marks that the journal is to note before `drop_uncovered` is called.

    Args:
        parts: All parts.
        covered: The last acknowledged step of each trial.
        known: The marks that each part may have by the journal, by number.

    Returns:
        The marks of the parts of which it does not know how they are now, and of those that will be rewritten; of these
        also, further on, as they will be.
    """
    changed = {part.mark.number: mark_as(part.path, table) for part, table, _ in _rewritten(parts, covered)}
    marks = [part.mark for part in parts]
    open_ones = [mark for mark in marks if mark.number in changed or len(known.get(mark.number, ())) != 1]
    return [*open_ones, *changed.values()]


def drop_uncovered(directory: SweepDirectory, parts: Sequence[FoundPart], covered: Mapping[int, int]) -> int:
    """Recovery: drop the reports of work that was never acknowledged, which will be done again.

    Only parts that hold such reports are rewritten, each atomically; a part that loses all its rows stays, empty.

    Args:
        directory: The sweep's directory.
        parts: All parts, as they were found.
        covered: The last acknowledged step of each trial; of a trial that is absent nothing is kept.

    Returns:
        How many rows were dropped.
    """
    dropped = 0
    for part, table, rows in _rewritten(parts, covered):
        dropped += rows
        write_file(part.path, to_parquet(table), directory.staging)
    return dropped


def reported_through(parts: Sequence[FoundPart], after: Mapping[int, int]) -> dict[int, int]:
    """For some trials, the step up to which none of their reports is missing.

    Args:
        parts: All parts.
        after: The trials, each with the step from which on to look.
    """
    reported: dict[int, set[int]] = {trial: set() for trial in after}
    for part in parts:
        if numbers := np.intersect1d(part.trials, list(after)).tolist():
            trial, step = _keys(read_sealed(part.path, _KEYS))
            for number in numbers:
                reported[number].update(step[trial == number].tolist())
    through = dict(after)
    for number, steps in reported.items():
        while through[number] + 1 in steps:
            through[number] += 1
    return through


def _found(path: Location, known: Mapping[int, Sequence[PartMark]], directory: SweepDirectory) -> FoundPart:
    number = part_number(path) or 0
    if number in known:
        data, fault = read_marked(path, known[number])
        if fault is not None:
            raise ResultsError(
                f"{path} {fault}: put it back from a copy, or see what can be repaired with"
                f" caviar doctor {directory.path}"
            )
    else:
        data = sealed_bytes(path)
    table = table_of(path, data, _KEYS)
    trial, step = _keys(table)
    trials, rows = np.unique(trial, return_inverse=True)
    last = np.zeros(len(trials), np.int64)
    np.maximum.at(last, rows, step)
    return FoundPart(path, PartMark.of(number, len(table), data), schema_of(data), trials, last)


def _keys(table: pa.Table) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """The trial and the step of each report."""
    return table["trial"].to_numpy(), table["step"].to_numpy()


def _rewritten(parts: Sequence[FoundPart], covered: Mapping[int, int]) -> Iterator[tuple[FoundPart, pa.Table, int]]:
    """The parts that hold uncovered reports, each without them, and how many they are."""
    for part in parts:
        if not part.is_covered(covered):
            table = read_sealed(part.path)
            keep = _is_covered(*_keys(table), covered)
            yield part, table.filter(pa.array(keep)), int(np.count_nonzero(~keep))


def _is_covered(
    trial: npt.NDArray[np.int32], step: npt.NDArray[np.int64], covered: Mapping[int, int]
) -> npt.NDArray[np.bool_]:
    trials, rows = np.unique(trial, return_inverse=True)
    last = np.array([covered.get(number, -1) for number in trials.tolist()], np.int64)
    return step <= last[rows]
