"""A sweep's directory as a tar archive: read while the sweep may be running, unpacked as data of unknown origin."""

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from shutil import copyfileobj
from typing import Any, BinaryIO, Literal

from ..errors import ResultsError, SweepError
from ..results import Results
from ..storage import Location, ObjectPath
from .kept_code import FOLDER

Extent = Literal["best", "all", "none", "code"]
"""The extent of a copy: the sweep with the checkpoints of the best trial, all or none; or its training code alone."""

_OF_THE_MOMENT = {"lock", "stop", "staging"}
_JOURNAL = "journal"


class HashedWriter(io.BufferedWriter):
    """A file that is written from its beginning to its end, and the SHA-256 of what was written.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, "wb"))
        self._sha256 = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The digest of all bytes so far, in hexadecimal."""
        return self._sha256.hexdigest()

    def write(self, data: Any, /) -> int:
        """Writes bytes at the end."""
        self._sha256.update(data)
        return super().write(data)


def write_archive(target: BinaryIO, directory: Location, extent: Extent) -> None:
    """Writes an archive of a sweep's directory.

    Args:
        target: A file that is open for writing.
        directory: The sweep's directory.
        extent: The extent of the copy.
    """
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in chosen_files(directory, extent):
            _add(archive, name, directory)


def chosen_files(directory: Location, extent: Extent) -> list[str]:
    """The files of a sweep that make a copy of it, by their paths in its directory.

    The journal is first: of what it says about a sweep that runs, the files that are read after it lack nothing.
    """
    if extent == "code":
        return [name for name in _tree(directory) if name.startswith(f"{FOLDER}/")]
    kept = _kept_checkpoint(directory, extent)
    names = [name for name in _tree(directory) if _goes(PurePosixPath(name), kept)]
    return sorted(names, key=lambda name: (not name.startswith(f"{_JOURNAL}/"), name))


def read_archive(source: BinaryIO, folder: Path) -> None:
    """Unpacks an archive into an empty folder.

    Raises:
        SweepError: It holds anything but files below the folder, or is no archive.
    """
    try:
        with tarfile.open(fileobj=source, mode="r:") as archive:
            for member in archive:
                _unpack(archive, member, folder)
    except tarfile.TarError as error:
        raise SweepError(f"What the cluster sent is no archive of a sweep ({error}).") from None


def copy_files(directory: Location, extent: Extent, folder: Path) -> None:
    """Copies a sweep's directory into an empty folder, as `write_archive` and `read_archive` would."""
    for name in chosen_files(directory, extent):
        if (content := _content(directory, name)) is not None:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def _add(archive: tarfile.TarFile, name: str, directory: Location) -> None:
    entry = tarfile.TarInfo(name)
    if isinstance(directory, ObjectPath):
        if (content := _content(directory, name)) is not None:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        return
    try:
        with (directory / name).open("rb") as file:
            # A journal may grow meanwhile: the bytes that it had when it was opened go along.
            entry.size = os.fstat(file.fileno()).st_size
            archive.addfile(entry, file)
    except FileNotFoundError:
        return  # a checkpoint that the sweep has thrown away meanwhile


def _content(directory: Location, name: str) -> bytes | None:
    path = directory
    for part in PurePosixPath(name).parts:
        path = path / part
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    path = PurePosixPath(member.name)
    parts = member.name.split("/")
    content = archive.extractfile(member) if member.isreg() else None
    if content is None or path.is_absolute() or not all(parts) or {".", ".."} & set(parts) or "\0" in member.name:
        raise SweepError(f"What the cluster sent holds {member.name!r}, which is no file of a sweep.")
    target = folder.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with content, target.open("xb") as file:
            copyfileobj(content, file, 1 << 20)
    except FileExistsError:
        raise SweepError(f"What the cluster sent holds {member.name!r} twice.") from None


def _tree(directory: Location) -> Iterator[str]:
    if isinstance(directory, ObjectPath):
        yield from directory.tree()
        return
    for folder, _, names in os.walk(directory):
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(directory).as_posix()


def _goes(path: PurePosixPath, kept: str | None) -> bool:
    if path.parts[0] in _OF_THE_MOMENT:
        return False
    return path.parts[0] != "checkpoints" or (kept is not None and path.is_relative_to(kept))


def _kept_checkpoint(directory: Location, extent: Extent) -> str | None:
    """The folder of the checkpoints that go along; None where none do."""
    if extent == "all":
        return "checkpoints"
    if extent == "none":
        return None
    try:
        best = Results.open(directory).best
    except ResultsError:
        return None
    return None if best.checkpoint is None else f"checkpoints/{best.trial}/{best.step}"
