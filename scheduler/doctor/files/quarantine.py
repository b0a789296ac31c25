"""Files in a repair: nothing is thrown away, what is replaced or moved lies in `damaged/` afterwards."""

import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from ...results.part_marks import PartMark
from ...storage import Journal, Location, SweepDirectory, write_file
from ...storage.durable import make_directory, sync


class Quarantine:
    """Repairs of one sweep's directory, under its lock.

    Args:
        directory: The sweep's directory.
    """

    def __init__(self, directory: SweepDirectory) -> None:
        self._directory = directory
        self._stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self._folder: Path | None = None
        self._marks: list[PartMark] = []
        self._removed: list[int] = []
        self._done: list[str] = []

    @property
    def folder(self) -> Path | None:
        """The folder of the damaged files; None as long as there are none."""
        return self._folder

    def keep(self, path: Location) -> None:
        """Keeps a file as it is now among the damaged ones, and leaves it where it is."""
        path = _local(path)
        if path.is_file():
            target = self._place(path)
            shutil.copy2(path, target)
            sync(target)
            sync(target.parent)

    def move(self, path: Location) -> None:
        """Moves a file or a folder to the damaged ones."""
        path = _local(path)
        target = self._place(path)
        path.replace(target)
        sync(target.parent)
        sync(path.parent)

    def replace(self, path: Location, data: bytes | memoryview) -> None:
        """Gives a file another content; the old one, if there is one, is kept."""
        self.keep(path)
        write_file(path, data, self._directory.staging)

    def put_back(self, source: Location, path: Location) -> None:
        """Moves a file from a wrong place back to its own."""
        source, path = _local(source), _local(path)
        if path.exists():
            self.move(path)
        source.replace(path)
        sync(path.parent)

    def noted(self, marks: Iterable[PartMark] = (), removed: Iterable[int] = ()) -> None:
        """Collects, for the journal, parts that were changed or taken away."""
        self._marks += marks
        self._removed += removed

    def did(self, sentence: str) -> None:
        """Collects, for the journal, a sentence about the repair."""
        self._done.append(sentence)

    def close(self) -> None:
        """Notes in the journal all that was done since the last time."""
        if not self._done:
            return
        event = {"type": "repaired", "time": time.time(), "did": self._done, "removed": self._removed}
        with Journal.open(self._directory.journal) as journal:
            journal.append(event | {"parts": [mark.to_json() for mark in self._marks]})
        self._marks, self._removed, self._done = [], [], []

    def _place(self, path: Path) -> Path:
        """A free place among the damaged files, with the path that the file has in the sweep."""
        sweep = _local(self._directory.path)
        if self._folder is None:
            self._folder = self._free(sweep / "damaged" / self._stamp)
        target = self._free(self._folder / path.relative_to(sweep))
        make_directory(target.parent)
        return target

    @staticmethod
    def _free(path: Path) -> Path:
        number, free = 1, path
        while free.exists():
            number += 1
            free = path.with_name(f"{path.name}.{number}")
        return free


def _local(path: Location) -> Path:
    assert isinstance(path, Path), "only sweeps on a disk are repaired"
    return path
