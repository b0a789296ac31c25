"""The other processes of a worker, as rank 0 sees them: their answers, and their deaths."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, NodeDiedError, ObjectLostError, RayActorError, RayError

from ....core.trials.assignment import OutcomeStatus
from ...cluster.nodes import death_reason, node_lives
from ..opener import Fault
from .actor_settings import ActorSettings
from .rendezvous import RankAddress, rank_order, rank_variables, reserve_port

_PROBE_S = 1.0
_DOUBT_S = 120.0
"""Seconds that a process may be out of reach: Ray needs a minute to notice that its node is gone."""


@dataclass(frozen=True, slots=True)
class RankReply:
    """The reply of a rank's process to a command.

    Attributes:
        error: The error that its training code raised; None where it raised none.
        ended: True where its training has ended by itself.
    """

    error: str | None = None
    ended: bool = False


@dataclass(slots=True)
class RankHandle:
    """Another process of the worker, as rank 0 sees it.

    Attributes:
        rank: Its rank.
        actor: Its actor, a `RankProcess`.
        node: The id of its node.
        stay: The reference of a call that ends only when the process does.
        call: The reference of the command that it has not answered, or answered last.
        asked: The time at which `stay` was called, in monotonic seconds.
        doubted: The time since which it has been out of reach, in monotonic seconds; None while it is not.
    """

    rank: int
    actor: Any
    node: str
    stay: Any = None
    call: Any = None
    asked: float = 0.0
    doubted: float | None = None

    def __post_init__(self) -> None:
        self.probe()

    def probe(self) -> None:
        """Asks the process to say when it ends."""
        self.stay, self.asked = self.actor.stay.remote(), time.monotonic()

    def reply(self) -> RankReply | None:
        """Its reply to the last command; None before it has replied, or where it never will."""
        if self.call is None or not is_ready(self.call):
            return None
        try:
            reply: RankReply = ray.get(self.call)
        except RayError:
            return None
        return reply

    def look(self) -> None:
        """Takes notice of its death, or of its being out of reach."""
        if self.doubted is None and self._lost() is not None:
            self.doubted = time.monotonic()

    def death(self) -> Fault | None:
        """The fault by which it has died; None before that is known, and while it lives."""
        if self.doubted is None:
            return None
        error = self._lost()
        if error is None or isinstance(error, ActorUnavailableError | ObjectLostError):
            return self._still_doubted(self.doubted)
        reason = f"rank {self.rank}: {death_reason(str(error))}"
        preempted = isinstance(error, NodeDiedError) or (isinstance(error, RayActorError) and error.preempted)
        if preempted or not node_lives(self.node):
            return Fault(f"{reason} It was lost with its node.", OutcomeStatus.PREEMPTED)
        return Fault(reason, OutcomeStatus.FAILED)

    def _still_doubted(self, since: float) -> Fault | None:
        if not node_lives(self.node):
            return Fault(f"rank {self.rank} was lost with its node.", OutcomeStatus.PREEMPTED)
        if time.monotonic() - since > _DOUBT_S:
            return Fault(f"rank {self.rank} was out of reach for a while.", OutcomeStatus.PREEMPTED)
        if time.monotonic() - self.asked >= _PROBE_S:
            self.probe()
        return None

    def _lost(self) -> RayError | None:
        """Ray's error for its end, or for its being out of reach."""
        return next((error for call in (self.stay, self.call) if (error := ray_error(call)) is not None), None)


def is_ready(call: Any) -> bool:
    """True where a call has been answered, or never will be."""
    ready, _ = ray.wait([call], timeout=0, fetch_local=False)
    return bool(ready)


def ray_error(call: Any) -> RayError | None:
    """Ray's error for a call that got no answer; None where it got one, may get one, or was not made."""
    if call is None or not is_ready(call):
        return None
    try:
        ray.get(call)
    except RayError as error:
        return error
    return None


def gather(processes: Sequence[Any], settings: ActorSettings) -> list[RankHandle]:
    """Makes this process rank 0 and each of the others another rank; no training code has been opened before.

    Args:
        processes: Actors, each a `RankProcess`.
        settings: The settings that the worker is started with.

    Raises:
        RayActorError: A process is lost.
        RayTaskError: A process cannot open the settings.
    """
    addresses = [address_here(), *ray.get([process.address.remote() for process in processes])]
    order = rank_order(addresses)
    port = reserve_port(addresses[0].address)
    variables = rank_variables([addresses[position] for position in order], port)
    os.environ.update(variables[0])
    actors = [processes[position - 1] for position in order[1:]]
    ray.get([actor.join.remote(settings, told) for actor, told in zip(actors, variables[1:], strict=True)])
    nodes = [addresses[position].node for position in order[1:]]
    return [RankHandle(rank, *facts) for rank, facts in enumerate(zip(actors, nodes, strict=True), 1)]


def address_here() -> RankAddress:
    """Address of this process."""
    context = ray.get_runtime_context()
    given = context.get_accelerator_ids().get("GPU")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    devices = tuple(visible.split(",")) if given and visible else ()
    address: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    return RankAddress(context.get_node_id(), address, devices)
