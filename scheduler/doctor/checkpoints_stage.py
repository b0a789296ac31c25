"""The checkpoints: which do not verify, and which trials would have to be trained from further back."""

from collections.abc import Iterator

from ..core.state import SweepState
from ..core.trial import TrialState
from ..storage import Checkpoints, Location, SweepDirectory
from ..storage.durable import list_folder
from .diagnosis import Finding, Severity
from .salvage import Salvage

_GOES_ON = {TrialState.PENDING, TrialState.PAUSED, TrialState.RUNNING}


def checkpoints_findings(layout: SweepDirectory, state: SweepState | None, *, running: bool) -> Iterator[Finding]:
    """What is wrong with the checkpoints.

    Args:
        layout: The sweep's directory.
        state: Where the sweep stands; None if that is not known.
        running: Whether a process runs the sweep, which may delete checkpoints meanwhile.
    """
    checkpoints = Checkpoints.of(layout)
    good: dict[int, int] = {}
    for folder in list_folder(layout.checkpoints):
        if not folder.name.isdecimal():
            yield Finding(
                Severity.WARNING, folder, "is not one of Caviar's files", "nobody looks at it", "move it elsewhere"
            )
            continue
        trial = int(folder.name)
        for step in checkpoints.steps(trial):
            try:
                checkpoints.verified(trial, step).release()
                good[trial] = step
            except (OSError, ValueError) as error:
                if not running:
                    yield _broken(checkpoints.path(trial, step), error)
    # Training code that keeps no state leaves no checkpoints: then none is missing.
    if state is not None and good and not running:
        yield from _missing(layout, state, good)


def _broken(path: Location, error: Exception) -> Finding:
    def move(salvage: Salvage) -> str:
        salvage.move(path)
        return f"moved the checkpoint {path.parent.name}/{path.name} away"

    reason = error.strerror if isinstance(error, OSError) else str(error)
    meaning = "the trial would go on from an older checkpoint, or from its beginning, and end the same"
    return Finding(Severity.BROKEN, path, f"does not verify ({reason})", meaning, remedy=move)


def _missing(layout: SweepDirectory, state: SweepState, good: dict[int, int]) -> Iterator[Finding]:
    if state.finished:
        return
    for row in state.rows:
        newest = good.get(row.trial, 0)
        if row.state in _GOES_ON and newest < row.step:
            yield Finding(
                Severity.WARNING,
                layout.checkpoints / str(row.trial),
                f"trial {row.trial} may go on from step {row.step} and has no checkpoint of it",
                f"then {row.step - newest:,} steps are trained again; the results stay the same",
            )
