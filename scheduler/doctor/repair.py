"""Rebuilding what can be rebuilt of a sweep's directory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..storage import SweepDirectory, SweepLock
from .diagnosis import Diagnosis, Finding
from .examination import examine, stages
from .salvage import Salvage


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair did.

    Attributes:
        before: What was found before.
        done: What was done, a sentence each, in order.
        folder: Where the damaged files are now; None if there are none.
        after: What is found now.
    """

    before: Diagnosis
    done: Sequence[str]
    folder: Path | None
    after: Diagnosis


def repair(path: str | Path) -> Repair:
    """Repairs a sweep's directory; what it replaces or takes away lies in `damaged/` afterwards.

    Args:
        path: The sweep's directory.

    Raises:
        SweepError: There is no sweep.
        SweepLockedError: A process runs it.
    """
    examine_first = examine(path)
    layout = SweepDirectory(Path(path))
    with SweepLock(layout.lock):
        layout.create()
        salvage, done, tried = Salvage(layout), list[str](), set[tuple[Path, str]]()
        while findings := _next(layout, tried):
            for finding in findings:
                assert finding.remedy is not None, "only findings with a remedy are next"
                tried.add((finding.path, finding.problem))
                if did := finding.remedy(salvage):
                    done.append(did)
                    salvage.did(did)
            # The journal is noted in only when it is in order, which is the first thing that is seen to.
            salvage.close()
    return Repair(examine_first, done, salvage.folder, examine(path))


def _next(layout: SweepDirectory, tried: set[tuple[Path, str]]) -> list[Finding]:
    """What can be repaired in the first stage where something can, and was not tried before.

    Later stages go by what earlier ones found, so they are looked at again after each repair.
    """
    for stage in stages(layout, None):
        found = [one for one in stage if one.remedy is not None and (one.path, one.problem) not in tried]
        if found:
            return found
    return []
