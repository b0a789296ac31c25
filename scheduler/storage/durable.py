"""Files that are whole or absent, whatever happens to the process or the machine.

Everything is written in a staging folder of the same filesystem, flushed to the disk, renamed to its place, and the
folder that holds the new name is flushed too. A reader therefore never sees half a file, and what a function here
has returned from survives a power failure. An object store has all of this by itself: there a write is one upload.
"""

import os
import uuid
from contextlib import suppress
from pathlib import Path

from .location import Location
from .object_path import ObjectPath


def write_file(path: Location, data: bytes | memoryview, staging: Location) -> None:
    """Write a file, or replace it, in one atomic step.

    Args:
        path: The path that the file is to have; its folder exists.
        data: The whole content.
        staging: A folder on the same filesystem; an object store needs none.
    """
    if isinstance(path, ObjectPath):
        path.write_bytes(data)
        return
    assert isinstance(staging, Path), "both are of one filesystem"
    staged = staged_path(staging, path.name)
    try:
        with staged.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        publish(staged, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # writing to an open file does not say to which
        with suppress(OSError):  # of storage that is gone
            staged.unlink()
        raise


def staged_path(staging: Path, name: str) -> Path:
    """A path in the staging folder that no other process, on this machine or another, uses."""
    return staging / f"{name}.{uuid.uuid4().hex}"


def publish(staged: Path, path: Path) -> None:
    """Rename a staged file or folder, whose content is on the disk already, to its place."""
    staged.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Location) -> None:
    """Make a folder and its parents, as far as they do not exist, durably; an object store has none to make."""
    if isinstance(path, ObjectPath) or path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(exist_ok=True)
    sync(path.parent)


def list_files(folder: Location, suffix: str) -> list[Location]:
    """The files of a folder whose names end in `suffix`, by name; none where there is no folder."""
    if isinstance(folder, ObjectPath):
        return [path for path in folder.iterdir() if path.name.endswith(suffix)]
    return [*sorted(path for path in folder.glob(f"*{suffix}") if path.is_file())]


def list_folder(folder: Location) -> list[Location]:
    """The content of a folder, by name; nothing where there is no folder."""
    if isinstance(folder, ObjectPath):
        return list(folder.iterdir())
    return [*sorted(folder.iterdir())] if folder.is_dir() else []
