"""The checkpoints: those that do not verify, and trials that would have to be trained from further back."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from ...core.state import SweepState
from ...core.trials.trial import Parent, TrialState
from ...finding import Severity
from ...storage import Checkpoints, Location, SweepDirectory
from ...storage.durable import list_folder
from .diagnosis import Finding
from .quarantine import Quarantine

Steps = Mapping[int, Sequence[int]]
"""The steps of each trial's checkpoints, ascending."""
_GOES_ON = {TrialState.PENDING, TrialState.PAUSED, TrialState.RUNNING}


def checkpoints_findings(directory: SweepDirectory, state: SweepState | None, *, running: bool) -> Iterator[Finding]:
    """Faults of the checkpoints.

    Args:
        directory: The sweep's directory.
        state: The sweep's state; None if that is not known.
        running: True where a process runs the sweep, which may delete checkpoints meanwhile.
    """
    checkpoints = Checkpoints.of(directory)
    good: dict[int, list[int]] = defaultdict(list)
    for folder in list_folder(directory.checkpoints):
        if not folder.name.isdecimal():
            yield Finding(
                Severity.WARNING, folder, "is not one of Caviar's files", "nobody looks at it", "move it elsewhere"
            )
            continue
        trial = int(folder.name)
        for step in checkpoints.steps(trial):
            try:
                checkpoints.verified(trial, step).release()
                good[trial].append(step)
            except (OSError, ValueError) as error:
                if not running:
                    yield _broken(checkpoints.path(trial, step), error)
    if state is not None and not running:
        yield from _missing(directory, state, good)


def _broken(path: Location, error: Exception) -> Finding:
    def move(quarantine: Quarantine) -> str:
        quarantine.move(path)
        return f"moved the checkpoint {path.parent.name}/{path.name} away"

    reason = error.strerror if isinstance(error, OSError) else str(error)
    meaning = "the trial would go on from an older checkpoint, or from its beginning, and end the same"
    return Finding(Severity.BROKEN, path, f"does not verify ({reason})", meaning, fix=move)


def _missing(directory: SweepDirectory, state: SweepState, good: Steps) -> Iterator[Finding]:
    going_on = [] if state.finished else [row for row in state.rows if row.state in _GOES_ON]
    newest = {
        row.trial: max((step for step in good.get(row.trial, ()) if step <= row.step), default=0) for row in going_on
    }
    begins = {row.parent for row in going_on if row.parent is not None and not newest[row.trial]}
    for parent in sorted(begins | state.parents):
        if parent.step not in good.get(parent.trial, ()):
            yield _lost_parent(directory, parent)
    for row in going_on if good else ():  # code that keeps no state leaves no checkpoints: then none is missing
        again = row.step - max(newest[row.trial], row.begin)
        if again:
            yield Finding(
                Severity.WARNING,
                directory.checkpoints / str(row.trial),
                f"trial {row.trial} may go on from step {row.step} and has no checkpoint of it",
                f"then {again:,} steps are trained again; the results stay the same",
            )


def _lost_parent(directory: SweepDirectory, parent: Parent) -> Finding:
    return Finding(
        Severity.BROKEN,
        directory.checkpoints / str(parent.trial) / str(parent.step),
        "is no checkpoint that verifies, and other trials begin from it",
        "they cannot be trained: they fail",
        "put it back from a copy before the next resume",
    )
