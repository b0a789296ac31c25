"""The surroundings of a sweep's files: the lock, a request to stop, half-written files, room on the disk."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from ...finding import Severity
from ...storage import Holder, SweepDirectory
from .diagnosis import Finding

_LITTLE = 1 << 30
"""Free bytes below which a person is warned."""


def surroundings_findings(directory: SweepDirectory, running: Holder | None) -> Iterator[Finding]:
    """Findings that a person should know; none of them is a fault of the sweep."""
    if running is not None:
        yield Finding(
            Severity.NOTE,
            directory.lock,
            f"the sweep is being run by {running}",
            "files change meanwhile, so tables and checkpoints are not compared",
            "examine it again when it has ended",
        )
    elif directory.stop.exists():
        yield Finding(Severity.NOTE, directory.stop, "a request to stop is left", "the next resume deletes it")
    left = len(list(directory.staging.iterdir())) if directory.staging.is_dir() else 0
    if left and running is None:
        meaning = "a killed run left them; the next resume deletes them"
        yield Finding(Severity.NOTE, directory.staging, f"{left:,} half-written files are left in it", meaning)
    if not isinstance(directory.path, Path):
        return
    free = shutil.disk_usage(directory.path).free
    if free < _LITTLE:
        problem = f"only {free / 1e6:,.0f} MB are free on the disk"
        yield Finding(Severity.WARNING, directory.path, problem, "a full disk stops the sweep", "make room")
