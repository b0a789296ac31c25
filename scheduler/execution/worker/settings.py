"""Settings of the engine in each worker, and the threads that it may use."""

from dataclasses import dataclass
from pathlib import Path

from ....trainers import Trainer
from ...core.trials.assignment import ErrorRule
from ...storage import Location


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Settings that every worker of a sweep is told.

    Attributes:
        trainer: The training code.
        metric: Name of the sweep's metric.
        resource_max: The full resource of a trial, in steps.
        directory: The sweep's directory, for checkpoints and logs.
        warm: Trials that are kept open after their assignment, at least 0; where it is not 0 and trials are trained
            together, at least those of two groups.
        fuse: True where the trials of a group are trained as one model; the trainer is a lane then. Otherwise they are
            trained one after the other.
        data: The file or folder that the spec names as `data`.
        target: The column that the spec names as `target`.
        rules: The rules for the handling of failures, in the order in which they are tried.
        timeout: Seconds that a step, or opening a trial, may take; as long as it takes if None.
        stall_timeout: Seconds that may pass in a step without a sign of life; any number if None.
        every: Steps after which a checkpoint is saved between two rungs; None saves at rungs and pauses alone.
    """

    trainer: Trainer
    metric: str
    resource_max: int
    directory: Location
    warm: int = 8
    fuse: bool = False
    data: Path | None = None
    target: str | None = None
    every: int | None = None
    rules: tuple[ErrorRule, ...] = ()
    timeout: float | None = None
    stall_timeout: float | None = None

    @property
    def patience_s(self) -> float | None:
        """Seconds after which a worker that cannot even answer is given up; None where it never is."""
        limits = [limit for limit in (self.timeout, self.stall_timeout) if limit is not None]
        return min(limits) if limits else None


_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def thread_variables(cpu: float) -> dict[str, str]:
    """The environment variables of a worker with so many CPUs: a thread for each whole CPU, at least one."""
    return dict.fromkeys(_VARIABLES, str(max(1, int(cpu))))
