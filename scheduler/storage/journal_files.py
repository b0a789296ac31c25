"""The files of a journal: a numbered one a run, or, where files cannot be appended to, an object a commit.

In an object store a run writes `000001/00000001.jsonl`, `000001/00000002.jsonl`, … and joins them to `000001.jsonl`
when it ends; one that was killed leaves that to the next. Where both are there the joined file counts, so that an
upload of a process that has lost the sweep, and arrives late, changes nothing.
"""

import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..errors import JournalError
from .durable import list_files, sync, write_file
from .location import Location
from .object_path import ObjectPath

_logger = logging.getLogger(__name__)

SUFFIX = ".jsonl"
_AT_ONCE = 16
"""Objects that are read at a time; most of it is waiting."""


def runs(directory: Location) -> list[Location]:
    """The files or folders of the runs, in order.

    Raises:
        JournalError: One is missing.
    """
    found: dict[str, Location] = {}
    for path in _entries(directory):
        if path.name.endswith(SUFFIX):
            found[path.stem] = path
        elif path.name.isdecimal():
            found.setdefault(path.name, path)
    ordered = [found[name] for name in sorted(found)]
    for number, path in enumerate(ordered, start=1):
        if path.stem != f"{number:06d}":
            raise _missing(directory / f"{number:06d}{SUFFIX}", path)
    return ordered


def lines(run: Location, *, is_last: bool) -> Iterator[tuple[Location, int, bytes]]:
    """The lines of a run, each with its file and its number in it.

    A last line without its line feed is left out, where it is the last of all: it was never acknowledged.

    Raises:
        JournalError: An object is missing.
    """
    for path, data in _contents(run):
        *whole, torn = data.split(b"\n")
        if torn and not (is_last and path == run):
            whole.append(torn)
        for number, line in enumerate(whole, start=1):
            yield path, number, line


def settle(directory: Location) -> int:
    """Puts the last run in order, as only the process that holds the lock may; the number of runs.

    Cuts off a torn last line; joins the objects of a run that did not end.
    """
    found = runs(directory)
    if found and found[-1].name.endswith(SUFFIX):
        _cut_torn_line(found[-1])
    elif found:
        join(found[-1], b"".join(data for _, data in _contents(found[-1])))
    return len(found)


def join(folder: Location, data: bytes) -> None:
    """Replaces the objects of a run by one file.

    Args:
        folder: The run's folder.
        data: What is in its objects.
    """
    target = folder.parent / f"{folder.name}{SUFFIX}"
    write_file(target, data, folder.parent)
    if isinstance(folder, ObjectPath):
        folder.remove_tree()


def _entries(directory: Location) -> list[Location]:
    if isinstance(directory, Path) and not directory.is_dir():
        return []
    return sorted(directory.iterdir(), key=lambda path: path.name)


def _contents(run: Location) -> list[tuple[Location, bytes]]:
    """The files of a run with what is in them."""
    if run.name.endswith(SUFFIX):
        return [(run, run.read_bytes())]
    joined = run.parent / f"{run.name}{SUFFIX}"
    try:
        found = _objects(run)
    except (FileNotFoundError, JournalError):
        if not joined.is_file():
            raise
        found = []
    # Who runs the sweep may have joined them meanwhile.
    return found if found or not joined.is_file() else [(joined, joined.read_bytes())]


def _objects(folder: Location) -> list[tuple[Location, bytes]]:
    paths = list_files(folder, SUFFIX)
    for number, path in enumerate(paths, start=1):
        if path.stem != f"{number:08d}":
            raise _missing(folder / f"{number:08d}{SUFFIX}", path)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(zip(paths, threads.map(lambda path: path.read_bytes(), paths), strict=True))


def _missing(lost: Location, follower: Location) -> JournalError:
    return JournalError(
        f"{lost} is missing, and {follower.name} follows it: "
        f"put the file back from a copy, or move the later files away to continue from before them."
    )


def _cut_torn_line(path: Location) -> None:
    data = path.read_bytes()
    size = data.rfind(b"\n") + 1
    if size == len(data):
        return
    _logger.warning("%s ends in a line that was not written whole: it is cut off.", path)
    if isinstance(path, ObjectPath):
        path.write_bytes(data[:size])
        return
    os.truncate(path, size)
    sync(path)
