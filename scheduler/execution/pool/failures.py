"""Workers that die, are out of reach or do not answer, and the outcomes of their work."""

from collections.abc import Sequence
from time import monotonic
from typing import Any

from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayError,
)

from ...core.trials.assignment import Outcome, OutcomeStatus
from ...errors import WorkerError
from ..cluster.nodes import death_reason, node_lives
from ..worker.settings import TrainingSettings
from ..worker.watchdog import LATE, unanswered
from .handle import WorkerHandle
from .pool import WorkerPool

LOST = (RayActorError, ObjectLostError, NodeDiedError, OutOfMemoryError)
"""Errors that a worker's answer raises when the worker is gone; a long answer stays on its node and dies with it."""
_STILLBORN_MOST = 10
_PATIENCE_S = 5.0
"""Seconds beyond a step's limit that the driver waits for the answer of a worker that should have seen to it."""
_DOUBT_S = 120.0
"""Seconds that a worker may be out of reach: Ray needs a minute to notice that its node is gone."""


class WorkerFailures:
    """Settles the work of workers that are lost, and has them replaced.

    Args:
        pool: The workers.
        settings: The settings of every worker.
    """

    def __init__(self, pool: WorkerPool, settings: TrainingSettings) -> None:
        self._pool, self._told = pool, settings
        self._stillborn = 0
        """Workers in a row that died before they answered once."""

    def answered(self) -> None:
        """Takes note that a worker has answered."""
        self._stillborn = 0

    def handle_death(self, handle: WorkerHandle, error: RayError) -> Sequence[Outcome]:
        """The outcomes of a worker that is gone: its work failed, unless the worker was lost with its node.

        Raises:
            WorkerError: Workers cannot be started.
        """
        if isinstance(error, ActorDiedError) and error.actor_init_failed:
            raise WorkerError(f"A worker could not be started: {error}") from error
        self._stillborn += not handle.ready
        if self._stillborn > _STILLBORN_MOST:
            raise WorkerError(
                f"{self._stillborn} workers in a row died before they answered; if the cluster runs without token"
                f" authentication, set RAY_AUTH_MODE=disabled here too: {first_line(error)}"
            ) from error
        if handle.work and self._is_doubtful(handle, error):
            self._pool.doubt(handle)
            return ()
        if handle.work and _lost_with_node(handle, error):
            return self.preempt(handle, f"The worker was lost with its node: {first_line(error)}")
        self._pool.replace(handle)
        return handle.lost(OutcomeStatus.FAILED, death_reason(str(error)), self._told.rules)

    def preempt(self, handle: WorkerHandle, reason: str) -> Sequence[Outcome]:
        """The outcomes of a worker that was taken away."""
        self._pool.replace(handle)
        return handle.lost(OutcomeStatus.PREEMPTED, reason)

    def unanswered(self) -> list[Any]:
        """The polls of workers that train and have not answered for longer than a step may take."""
        if self._told.patience_s is None:
            return []
        since = monotonic() - self._pool.poll_s - LATE * self._told.patience_s - _PATIENCE_S
        return [
            poll for poll, handle in self._pool.handles.items() if handle.ready and handle.work and handle.asked < since
        ]

    def give_up(self, poll: Any) -> Sequence[Outcome]:
        """The outcomes of a worker that does not answer."""
        handle = self._pool.handles.pop(poll)
        self._pool.replace(handle)
        reason = unanswered(self._told, next(iter(next(iter(handle.work.values())))))
        return handle.lost(OutcomeStatus.FAILED, reason, self._told.rules)

    def _is_doubtful(self, handle: WorkerHandle, error: RayError) -> bool:
        """True where it is not known yet if the process died, its node, or neither."""
        if self._pool.closing or not isinstance(error, ActorUnavailableError | ObjectLostError):
            return False
        since = monotonic() if handle.doubted is None else handle.doubted
        return node_lives(handle.node or "") and monotonic() - since < _DOUBT_S


def first_line(error: Exception) -> str:
    """The first line of Ray's message; the rest is advice on Ray."""
    return str(error).strip().split("\n", 1)[0]


def _lost_with_node(handle: WorkerHandle, error: RayError) -> bool:
    """True where Ray says so, the node is dead, or the worker stays out of reach."""
    if isinstance(error, NodeDiedError | ActorUnavailableError | ObjectLostError):
        return True
    if isinstance(error, RayActorError) and error.preempted:
        return True
    return handle.node is not None and not node_lives(handle.node)
