"""Opens trials in one process, from a worker's settings; also the seam for a worker that opens them in several."""

from dataclasses import dataclass
from typing import Protocol

from ....trainers import Training, open_training
from ...core.trials.assignment import Assignment, OutcomeStatus
from ...storage import Checkpoint
from .settings import TrainingSettings


@dataclass(frozen=True, slots=True)
class Fault:
    """Event in another process of a worker, after which none of them can train any more.

    Attributes:
        reason: The text that is said about it.
        status: FAILED, or PREEMPTED where the process was lost with its node.
    """

    reason: str
    status: OutcomeStatus


class Opener(Protocol):
    """Opens trials; all but `open` may be asked from any thread."""

    def open(self, assignment: Assignment, found: Checkpoint | None) -> Training:
        """Opens the trial of an assignment, from a checkpoint or from its beginning.

        Raises:
            TrainerError: The checkpoint cannot be read.
        """

    @property
    def broken(self) -> bool:
        """True where this worker can train nothing any more, so that another has to take its place."""

    def fault(self) -> Fault | None:
        """The fault in another process of this worker; None as long as all is well."""

    def stacks(self) -> str:
        """Stacks of the other processes of this worker, for the log of a step that takes too long."""


class LocalOpener:
    """Opens trials in this process alone. It implements `Opener`.

    Args:
        settings: The settings of every worker of the sweep.
    """

    broken = False

    def __init__(self, settings: TrainingSettings) -> None:
        self._settings = settings

    def open(self, assignment: Assignment, found: Checkpoint | None) -> Training:
        """Opens the trial of an assignment, from a checkpoint or from its beginning."""
        return open_training(
            self._settings.trainer,
            number=assignment.trial,
            config=assignment.config,
            seed=assignment.seed,
            resource_max=self._settings.resource_max,
            directory=found.path if found else None,
            step=found.step if found else 0,
            data=self._settings.data,
            target=self._settings.target,
        )

    def fault(self) -> Fault | None:
        """None: there is no other process."""
        return None

    def stacks(self) -> str:
        """Nothing: there is no other process."""
        return ""
