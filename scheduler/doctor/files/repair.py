"""Rebuilding the damaged files of a sweep's directory, where that can be done."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import SweepError
from ...storage import Location, ObjectPath, SweepDirectory, SweepLock, locate
from .diagnosis import Diagnosis, Finding
from .examination import examine, stages
from .quarantine import Quarantine


@dataclass(frozen=True, slots=True)
class Repair:
    """The result of a repair.

    Attributes:
        before: The findings before.
        done: The repairs that were done, a sentence each, in order.
        folder: The folder of the damaged files now; None if there are none.
        after: The findings now.
    """

    before: Diagnosis
    done: Sequence[str]
    folder: Location | None
    after: Diagnosis


def repair(path: str | Location) -> Repair:
    """Repairs a sweep's directory; files that it replaces or takes away lie in `damaged/` afterwards.

    Args:
        path: The sweep's directory.

    Raises:
        SweepError: There is no sweep, or it lies in an object store.
        SweepLockedError: A process runs it.
    """
    directory = SweepDirectory(locate(path))
    if isinstance(directory.path, ObjectPath):
        raise SweepError(f"{directory.path}: copy the sweep to a disk and repair it there; then copy it back.")
    examine_first = examine(path)
    with SweepLock(directory.lock):
        directory.create()
        quarantine, done, tried = Quarantine(directory), list[str](), set[tuple[Location, str]]()
        while findings := _next(directory, tried):
            for finding in findings:
                assert finding.fix is not None, "only findings with a fix are next"
                tried.add((finding.path, finding.problem))
                if did := finding.fix(quarantine):
                    done.append(did)
                    quarantine.did(did)
            # Notes go only into a journal that is in order, and it is the first thing to be repaired.
            quarantine.close()
    return Repair(examine_first, done, quarantine.folder, examine(path))


def _next(directory: SweepDirectory, tried: set[tuple[Location, str]]) -> list[Finding]:
    """Findings that can be repaired and were not tried before, of the first stage that has any.

    Later stages go by what earlier ones found, so they are looked at again after each repair.
    """
    for stage in stages(directory, None):
        found = [one for one in stage if one.fix is not None and (one.path, one.problem) not in tried]
        if found:
            return found
    return []
