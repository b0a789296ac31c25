"""The files of a journal: a numbered one a run, or, where files cannot be appended to, an object a commit.

In an object store a run writes `000001/00000001.jsonl`, `000001/00000002.jsonl`, … and joins them to `000001.jsonl`
when it ends; one that was killed leaves that to the next. Where both are there the joined file counts, so that an
upload of a process that has lost the sweep, and arrives late, changes nothing. A copy on a disk is read as it is.
"""

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, takewhile

from ..errors import JournalError
from .durable import list_files, list_folder, sync, write_file
from .journal_lines import JournalFile, read_lines
from .location import Location, read_several
from .object_path import ObjectPath

_logger = logging.getLogger(__name__)

_SUFFIX = ".jsonl"


def file_name(number: int) -> str:
    """The name of the journal's n-th file, from 1."""
    return f"{number:06d}{_SUFFIX}"


def folder_name(number: int) -> str:
    """The name of the folder with the objects of the n-th run, from 1."""
    return f"{number:06d}"


def object_name(number: int) -> str:
    """The name of a run's n-th object, from 1."""
    return f"{number:08d}{_SUFFIX}"


def run_files(directory: Location) -> list[Location]:
    """The files or folders of the runs by name, also those that have a wrong one."""
    found: dict[str, Location] = {}
    for path in list_folder(directory):
        if path.name.endswith(_SUFFIX):
            found[path.stem] = path
        elif path.name.isdecimal():
            found.setdefault(path.name, path)
    return [found[name] for name in sorted(found)]


def read_file(run: Location, before: JournalFile | None = None) -> JournalFile:
    """Reads a run up to its first fault; what follows a fault cannot be trusted.

    Args:
        run: The run's file or folder.
        before: The run as far as it was read before: only what was added since is read. From the beginning if None.

    Raises:
        JournalError: What was read before is not there any more.
    """
    if before is None:
        return read_lines(run, _contents(run))
    if run.name.endswith(_SUFFIX):
        return read_lines(run, [(run, _bytes_after(run, before.size))], _joined(before, run))
    contents = _contents(run, len(before.counts))
    if [path for path, _ in contents] == [joined_file(run)]:
        return read_file(joined_file(run), before)
    return read_lines(run, contents, before)


def _joined(before: JournalFile, run: Location) -> JournalFile:
    """A run as it was read before, whose objects may have been joined since."""
    return before if before.path == run else replace(before, counts=[(run, len(before.events))])


def run_bytes(run: Location) -> bytes:
    """The bytes of a run, one file after the other, as far as no file is missing."""
    return b"".join(content for _, content in _contents(run) if isinstance(content, bytes))


def trusted_files(directory: Location) -> list[Location]:
    """The files or folders of the runs, in order.

    Raises:
        JournalError: One is missing.
    """
    found = run_files(directory)
    for number, path in enumerate(found, start=1):
        if path.stem != folder_name(number):
            raise JournalError(
                f"{directory / file_name(number)} is missing, and {path.name} follows it: "
                f"put the file back from a copy, or {_what_can_be_done(directory)}"
            )
    return found


def trusted(file: JournalFile, *, is_last: bool) -> JournalFile:
    """A run with nothing wrong but for a torn line at the end of the last.

    Raises:
        JournalError: Something else is wrong with it.
    """
    if (fault := file.fault) is not None and not (fault.torn and is_last):
        place = fault.path if fault.line is None else f"{fault.path}, line {fault.line}:"
        changed = "" if fault.line is None else ", so the file was changed after it was written"
        raise JournalError(
            f"{place} {fault.reason}{changed}: put the file back from a copy, or {_what_can_be_done(file.path.parent)}"
        )
    return file


def repair_last_run(directory: Location) -> int:
    """Puts the last run in order, as only the process that holds the lock may; the number of runs.

    Raises:
        JournalError: The last run cannot be trusted, or one is missing.
    """
    found = trusted_files(directory)
    if found:
        repair_tail(trusted(read_file(found[-1]), is_last=True))
    return len(found)


def repair_tail(last: JournalFile) -> None:
    """Cuts off a torn last line of the last run, or joins its objects where it did not end."""
    if not last.path.name.endswith(_SUFFIX):
        join(last.path, run_bytes(last.path))
    elif last.fault is not None:
        _logger.warning("%s ends in a line that was not written whole: it is cut off.", last.path)
        _cut(last.path, last.fault.start)


def join(folder: Location, data: bytes) -> None:
    """Replaces the objects of a run by one file.

    Args:
        folder: The run's folder.
        data: The content of its objects.
    """
    write_file(joined_file(folder), data, folder.parent)
    if isinstance(folder, ObjectPath):
        folder.remove_tree()


def joined_file(folder: Location) -> Location:
    """The file that a run's objects are joined to."""
    return folder.parent / f"{folder.name}{_SUFFIX}"


def _contents(run: Location, skipped: int = 0) -> list[tuple[Location, bytes | str]]:
    """The files of a run in order, each with what is in it, or with why that is not known.

    Args:
        run: The run's file or folder.
        skipped: Number of a folder's objects that are left out, the first ones.
    """
    if run.name.endswith(_SUFFIX):
        return [(run, run.read_bytes())]
    joined = joined_file(run)
    found: list[tuple[Location, bytes | str]] = []
    try:
        found = _objects(run, skipped)
    except FileNotFoundError:
        if not joined.is_file():
            raise
    # Who runs the sweep may have joined them meanwhile.
    incomplete = not (found or skipped) or (bool(found) and isinstance(found[-1][1], str))
    return [(joined, joined.read_bytes())] if incomplete and joined.is_file() else found


def _objects(folder: Location, skipped: int) -> list[tuple[Location, bytes | str]]:
    """The objects of a run after the first ones, up to the first that is missing."""
    paths = list_files(folder, _SUFFIX)
    whole = [path for path, _ in takewhile(lambda pair: pair[0].name == pair[1], zip(paths, _names(), strict=False))]
    read = whole[skipped:]
    contents: list[bytes | str] = [*read_several(read, lambda path: path.read_bytes())]
    if len(whole) < len(paths):
        contents.append(f"is missing, and {paths[len(whole)].name} follows it")
        read.append(folder / object_name(len(whole) + 1))
    return list(zip(read, contents, strict=True))


def _bytes_after(path: Location, size: int) -> bytes:
    """The bytes of a file behind its first ones.

    Raises:
        JournalError: It has fewer.
    """
    if isinstance(path, ObjectPath):
        data = path.read_bytes()
        found, rest = len(data), data[size:]
    else:
        with path.open("rb") as file:
            found = os.fstat(file.fileno()).st_size
            file.seek(size)
            rest = file.read()
    if found < size:
        raise JournalError(f"{path} has {found} bytes, and {size} were read before: it was changed meanwhile.")
    return rest


def _names() -> Iterator[str]:
    return map(object_name, count(1))


def _cut(path: Location, size: int) -> None:
    if isinstance(path, ObjectPath):
        path.write_bytes(path.read_bytes()[:size])
        return
    os.truncate(path, size)
    sync(path)


def _what_can_be_done(directory: Location) -> str:
    return (
        f"see what can be repaired with caviar doctor {directory.parent}; "
        f"the work that is recorded from there on is then done again."
    )
