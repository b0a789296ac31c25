"""The cluster's side of `caviar fetch`: a sweep's directory as a file that the head hands out."""

import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import SweepError
from ..storage import Location, SweepDirectory
from .frames import Message
from .sweep_archive import Extent, HashedWriter, write_archive

_PREFIX = "caviar-fetch-"
_AT_MOST_S = 3600.0
"""After so long nobody comes for the archive any more."""
_RESOURCES = "runtime_resources"
"""Ray unpacks packages below this folder of its session, in which the logs lie too."""


def export_sweep(directory: Location, extent: Extent, send: Callable[[Message], None]) -> None:
    """Lays an archive of a sweep into the head's log folder, says so, and takes it away when it is told to end.

    The head hands out the files of that folder as they are, which a job's log would not be.

    Args:
        directory: The sweep's directory.
        extent: The extent of the copy.
        send: Writes a message into the job's log.

    Raises:
        SweepError: There is no sweep, or Ray's log folder cannot be found.
    """
    SweepDirectory(directory).spec_text()
    logs = log_folder()
    _remove_forgotten(logs)
    path = logs / f"{_PREFIX}{uuid.uuid4().hex}.tar"
    with _told_to_end() as told:
        try:
            path.touch(0o600, exist_ok=False)
            with HashedWriter(path) as file:
                write_archive(file, directory, extent)
            content = {"file": path.name, "bytes": path.stat().st_size, "sha256": file.sha256}
            send(Message("archive", content | {"directory": str(directory)}))
            told.wait(_AT_MOST_S)
        finally:
            path.unlink(missing_ok=True)


def log_folder() -> Path:
    """Ray's log folder on this node, found from the folder into which Ray has unpacked this module.

    Raises:
        SweepError: Ray has not unpacked it.
    """
    for folder in Path(__file__).resolve().parents:
        if folder.name == _RESOURCES and (folder.parent / "logs").is_dir():
            return folder.parent / "logs"
    raise SweepError("Ray's log folder cannot be found from here; a fetch runs as a job of Ray.")


@contextmanager
def _told_to_end() -> Iterator[threading.Event]:
    told = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: told.set())
    try:
        yield told
    finally:
        signal.signal(signal.SIGTERM, before)


def _remove_forgotten(logs: Path) -> None:
    """Removes the archives that killed jobs have left."""
    for path in logs.glob(f"{_PREFIX}*.tar"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > 2 * _AT_MOST_S:
                path.unlink()
