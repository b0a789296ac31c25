"""Workers that die, are out of reach or do not answer: what becomes of their work."""

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
from ..worker.settings import EngineSettings
from ..worker.watchdog import LATE, unanswered
from .handle import Slot
from .pool import Fleet

LOST = (RayActorError, ObjectLostError, NodeDiedError, OutOfMemoryError)
"""What a worker's answer raises when the worker is gone; a long answer stays on its node and dies with it."""
_STILLBORN_MOST = 10
_PATIENCE_S = 5.0
"""How much longer than a step may take the driver waits for the answer of a worker that should have seen to it."""
_DOUBT_S = 120.0
"""Ray needs a minute to notice that a node is gone; until then its workers are only out of reach."""


class Losses:
    """Decides what becomes of the work of workers that are lost, and has them replaced.

    Args:
        fleet: The workers.
        settings: What every worker is told.
    """

    def __init__(self, fleet: Fleet, settings: EngineSettings) -> None:
        self._fleet, self._told = fleet, settings
        self._stillborn = 0
        """Workers in a row that died before they answered once."""

    def answered(self) -> None:
        """Takes note that a worker has answered."""
        self._stillborn = 0

    def bury(self, slot: Slot, error: RayError) -> Sequence[Outcome]:
        """The outcomes of a worker that is gone: its work failed, unless the worker was lost with its node.

        Raises:
            WorkerError: Workers cannot be started.
        """
        if isinstance(error, ActorDiedError) and error.actor_init_failed:
            raise WorkerError(f"A worker could not be started: {error}") from error
        self._stillborn += not slot.ready
        if self._stillborn > _STILLBORN_MOST:
            raise WorkerError(
                f"{self._stillborn} workers in a row died before they answered; if the cluster runs without token"
                f" authentication, set RAY_AUTH_MODE=disabled here too: {first_line(error)}"
            ) from error
        if slot.work and self._is_doubtful(slot, error):
            self._fleet.doubt(slot)
            return ()
        if slot.work and _lost_with_node(slot, error):
            return self.preempt(slot, f"The worker was lost with its node: {first_line(error)}")
        self._fleet.replace(slot)
        return slot.lost(OutcomeStatus.FAILED, death_reason(str(error)), self._told.rules)

    def preempt(self, slot: Slot, reason: str) -> Sequence[Outcome]:
        """The outcomes of a worker that was taken away."""
        self._fleet.replace(slot)
        return slot.lost(OutcomeStatus.PREEMPTED, reason)

    def unanswered(self) -> list[Any]:
        """The polls of workers that train and have not answered for longer than a step may take."""
        if self._told.patience_s is None:
            return []
        since = monotonic() - self._fleet.poll_s - LATE * self._told.patience_s - _PATIENCE_S
        return [poll for poll, slot in self._fleet.slots.items() if slot.ready and slot.work and slot.asked < since]

    def give_up(self, poll: Any) -> Sequence[Outcome]:
        """The outcomes of a worker that does not answer."""
        slot = self._fleet.slots.pop(poll)
        self._fleet.replace(slot)
        reason = unanswered(self._told, next(iter(next(iter(slot.work.values())))))
        return slot.lost(OutcomeStatus.FAILED, reason, self._told.rules)

    def _is_doubtful(self, slot: Slot, error: RayError) -> bool:
        """Whether it is not known yet if the process died, its node, or neither."""
        if self._fleet.closing or not isinstance(error, ActorUnavailableError | ObjectLostError):
            return False
        since = monotonic() if slot.doubted is None else slot.doubted
        return node_lives(slot.node or "") and monotonic() - since < _DOUBT_S


def first_line(error: Exception) -> str:
    """What Ray says first; the rest is advice on Ray."""
    return str(error).strip().split("\n", 1)[0]


def _lost_with_node(slot: Slot, error: RayError) -> bool:
    """Whether Ray says so, the node is dead, or the worker stays out of reach."""
    if isinstance(error, NodeDiedError | ActorUnavailableError | ObjectLostError):
        return True
    if isinstance(error, RayActorError) and error.preempted:
        return True
    return slot.node is not None and not node_lives(slot.node)
