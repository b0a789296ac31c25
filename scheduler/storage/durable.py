"""Files that are whole or absent, whatever happens to the process or the machine.

Everything is written in a staging folder of the same filesystem, flushed to the disk, renamed to its place, and the
folder that holds the new name is flushed too. A reader therefore never sees half a file, and what a function here
has returned from survives a power failure.
"""

import os
import uuid
from contextlib import suppress
from pathlib import Path


def write_file(path: Path, data: bytes | memoryview, staging: Path) -> None:
    """Write a file, or replace it, in one atomic step.

    Args:
        path: Where the file is to be; its folder exists.
        data: The whole content.
        staging: A folder on the same filesystem.
    """
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


def make_directory(path: Path) -> None:
    """Make a folder and its parents, as far as they do not exist, durably."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(exist_ok=True)
    sync(path.parent)


def list_files(folder: Path, suffix: str) -> list[Path]:
    """The files of a folder whose names end in `suffix`, by name; none where there is no folder."""
    return sorted(path for path in folder.glob(f"*{suffix}") if path.is_file())
