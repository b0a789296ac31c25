"""The mark that the driver leaves in the storage for the nodes to find, and theirs for the driver."""

import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ...errors import StorageError, SweepError
from ...storage import Location


@dataclass(frozen=True, slots=True)
class StorageMark:
    """A folder in the storage with a file of the driver.

    Attributes:
        folder: The folder.
        secret: Contents of every file: nobody can have left it there before.
    """

    folder: Location
    secret: str

    def seen_from(self, nodes: Mapping[str, str]) -> dict[str, bool]:
        """By each key, true where the driver sees what that node wrote.

        Args:
            nodes: The name of each node's file, by any key.
        """
        return {key: self._holds(name) for key, name in nodes.items()}

    def _holds(self, name: str) -> bool:
        try:
            return (self.folder / name).read_bytes() == self.secret.encode()
        except (OSError, SweepError):
            return False


@contextmanager
def storage_mark(storage: Location) -> Iterator[StorageMark]:
    """Leaves a mark in the storage and takes it away again, with all folders that were made for it.

    Args:
        storage: The folder or the URI.

    Raises:
        StorageError: It cannot be written from here.
    """
    mark = StorageMark(storage / f".preflight-{secrets.token_hex(8)}", secrets.token_hex(16))
    made = _missing(mark.folder)
    try:
        try:
            if isinstance(mark.folder, Path):
                mark.folder.mkdir(parents=True)
            (mark.folder / "driver").write_bytes(mark.secret.encode())
        except OSError as error:
            raise StorageError(
                f"storage: {storage} cannot be written from here ({error.strerror or error}); name a folder or a bucket"
                " that can."
            ) from error
        yield mark
    finally:
        _remove(mark.folder)
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


def _missing(folder: Location) -> list[Path]:
    """The folders above it that are not there, the innermost first."""
    above = folder.parents if isinstance(folder, Path) else ()
    return [one for one in above if not one.exists()]


def _remove(folder: Location) -> None:
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)
        return
    with suppress(SweepError):
        folder.remove_tree()
