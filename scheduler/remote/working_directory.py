"""The folder with a spec and its training code, packed for the nodes: what git ignores stays here, and sweeps do."""

import hashlib
import io
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ..errors import SweepError
from .client import Package

_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip archive can say."""


def zip_files(files: Mapping[str, bytes]) -> bytes:
    """An archive of files by their names in it; equal files make equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, files[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def package_of(files: Mapping[str, bytes]) -> Package:
    """A package for the cluster, named after its content."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{hashlib.sha256(files[name]).hexdigest()}\n".encode())
    return Package(f"_ray_pkg_caviar_{digest.hexdigest()[:32]}.zip", zip_files(files))


LIMIT_BYTES = 100 * 1024 * 1024
"""More the head does not take as one upload."""

_NEVER = {".git", ".hg", ".svn", ".venv", "venv", "__pycache__", "node_modules"}
_MEGABYTE = 1024 * 1024


def pack_folder(folder: Path, needed: Collection[Path] = (), left_out: Collection[Path] = ()) -> Package:
    """Packs a folder.

    Args:
        folder: The folder.
        needed: Files and folders in it that go along even where git ignores them, such as the data.
        left_out: Folders that do not, such as the one in which sweeps lie; a sweep's directory never does.

    Raises:
        SweepError: It is too large, or a file cannot be read.
    """
    folder, left_out = folder.resolve(), {path.resolve() for path in left_out}
    chosen = {path for path in _listed(folder, folder) if not _within(path, left_out)}
    sweeps = {path.parent for path in chosen if path.name == "sweep.yaml" and (path.parent / "journal").is_dir()}
    chosen = {path for path in chosen if not _within(path, sweeps)}
    for path in needed:
        chosen.update(_files(path.resolve()))
    _check_size(folder, chosen)
    return package_of({path.relative_to(folder).as_posix(): _read(path) for path in chosen})


def _listed(folder: Path, root: Path) -> Iterator[Path]:
    names = _git_files(folder)
    if names is None:
        yield from _files(folder)
        return
    for name in names:
        path = folder / name
        if _NEVER & set(Path(name).parts):
            continue
        if path.is_file():
            yield path
        elif path.is_dir() and path != folder and path.resolve().is_relative_to(root):
            yield from _listed(path, root)  # another repository in this one


def _git_files(folder: Path) -> list[str] | None:
    """The files below a folder that git does not ignore; None where there is no git."""
    listing = ["ls-files", "-z", "--others", "--exclude-standard"]
    try:
        ignored = subprocess.run(["git", "check-ignore", "--quiet", "."], cwd=folder, capture_output=True, check=False)
        run = subprocess.run(["git", *listing, "--cached"], cwd=folder, capture_output=True, check=False)
        # In no repository, or in one that ignores the whole folder, its own .gitignore counts all the same.
        if run.returncode != 0 or ignored.returncode == 0:
            with tempfile.TemporaryDirectory() as empty:
                subprocess.run(["git", "init", "--quiet", "--bare", empty], capture_output=True, check=True)
                command = ["git", f"--git-dir={empty}", f"--work-tree={folder}", *listing]
                run = subprocess.run(command, cwd=folder, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return [os.fsdecode(name) for name in run.stdout.split(b"\0") if name]


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if name not in _NEVER]
        yield from (Path(folder, name) for name in names if Path(folder, name).is_file())


def _within(path: Path, folders: Collection[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _check_size(folder: Path, chosen: Collection[Path]) -> None:
    sizes = {path: path.stat().st_size for path in chosen}
    total = sum(sizes.values())
    if total <= LIMIT_BYTES:
        return
    largest = max(sizes, key=lambda path: sizes[path])
    raise SweepError(
        f"{folder}: its files take {total / _MEGABYTE:,.0f} MiB, and a cluster takes {LIMIT_BYTES // _MEGABYTE} MiB;"
        f" the largest is {largest.relative_to(folder)} with {sizes[largest] / _MEGABYTE:,.0f} MiB: name it in"
        " .gitignore, or put data where the nodes find them and give their absolute path."
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SweepError(
            f"{path}: this file cannot be read ({error.strerror}), and it is to go to the cluster."
        ) from None
