"""The training code of a sweep beside its results: Ray throws packages away soon after the last job that used them."""

import io
import zipfile
import zlib
from pathlib import Path

from ..errors import SweepError
from ..storage import Location, ObjectPath, SweepDirectory, write_file
from ..storage.durable import list_folder, make_directory
from .client import Package
from .working_directory import LIMIT_BYTES, package_of

FOLDER = "code"
"""In the sweep's directory; holds one package."""

_UNPACKED = "working_dir_files"
"""The folder in which Ray unpacks working directories."""


def is_unpacked(folder: Path) -> bool:
    """True where Ray has unpacked a folder as the working directory of a job; its name follows from the content."""
    return folder.parent.name == _UNPACKED


def package_here(folder: Path) -> Package | None:
    """The working directory of a job as a package; None where the job has none.

    Args:
        folder: The job's working directory.
    """
    if not is_unpacked(folder):
        return None
    paths = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    if sum(path.stat().st_size for path in paths) > LIMIT_BYTES:
        return None  # training code has written files there
    return package_of({path.relative_to(folder).as_posix(): path.read_bytes() for path in paths})


def keep_code(directory: Location, package: Package) -> None:
    """Puts a package into a sweep's directory, in the place of an earlier one.

    Args:
        directory: The sweep's directory, in which a run has begun.
        package: The training code.

    Raises:
        OSError: It cannot be written.
    """
    folder = directory / FOLDER
    make_directory(folder)
    earlier = [path for path in list_folder(folder) if path.name != package.name]
    write_file(folder / package.name, package.data, SweepDirectory(directory).staging)
    for path in earlier:
        path.unlink(missing_ok=True)


def kept_package(directory: Path) -> Package | None:
    """The package in a copy of a sweep's directory; None where there is none.

    Raises:
        SweepError: Its content is another than its name says.
    """
    folder = directory / FOLDER
    for path in list_folder(folder):
        assert not isinstance(path, ObjectPath), "copies lie on a disk"
        data = path.read_bytes()
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                named = package_of({name: archive.read(name) for name in archive.namelist()}).name
        except (zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
            raise SweepError(f"{path.name}: the sweep's training code cannot be read ({error}).") from None
        if named != path.name:
            raise SweepError(f"{path.name}: the sweep's training code is another than its name says.")
        return Package(path.name, data)
    return None
