"""Checkpoints after a crash: which of them work that was cut off goes on from, and which lead nowhere any more."""

from collections.abc import Sequence

from .core.state import SweepState
from .results import reported_through
from .results.found_parts import FoundPart
from .storage import Checkpoints, SweepDirectory


def recover_checkpoints(layout: SweepDirectory, parts: Sequence[FoundPart], state: SweepState) -> None:
    """Lets work that was cut off go on between two rungs where it can; later checkpoints are deleted.

    It can go on from the newest checkpoint before which none of its reports is missing: whatever was trained after that
    is trained and reported again. What the journal does not cover then is not part of the sweep, and another decision
    might give the same number to another configuration.

    Args:
        layout: The sweep's directory; only for the process that holds the lock.
        parts: Its report parts.
        state: The state that the journal leads to.
    """
    checkpoints = Checkpoints.of(layout)
    covered = state.covered()
    later = {
        work.trial: covered[work.trial]
        for work in state.queued
        if any(step > covered[work.trial] for step in checkpoints.steps(work.trial))
    }
    for trial, step in reported_through(parts, later).items():
        found = checkpoints.newest(trial, step)
        if found is None:
            continue
        found.release()
        if found.step > later[trial]:
            state.go_on(trial, found.step)
    covered = state.covered()
    for trial in checkpoints.trials():
        for step in checkpoints.steps(trial):
            if step > covered.get(trial, 0):
                checkpoints.delete(trial, step)
