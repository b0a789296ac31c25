"""The processes of one worker that train a trial together, as rank 0 commands them.

Rank 0 decides what happens next, so every process is at the same step whenever a trial is paused. A command goes to all
at once, and the next one only when all have answered. What a process raises, or how it dies, becomes a `Fault`: rank 0
may wait for that process in a collective operation for ever, so another thread asks for it and gives the worker up.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from typing import Any, NoReturn, TypeVar

import ray
from ray.exceptions import ActorUnavailableError, NodeDiedError, ObjectLostError, RayActorError, RayError

from ...trainers import TrainerError, Training
from ..core.assignment import Assignment, OutcomeStatus
from ..storage import Checkpoint
from .cluster import node_lives
from .deaths import death_reason
from .error_text import describe
from .opener import Fault, LocalOpener
from .rendezvous import Place, rank_order, rank_variables, reserve_port
from .settings import EngineSettings
from .worker_settings import WorkerSettings

_SETTLE_S = 2.0
"""How long after a process has raised another one may turn out to have died before, which is why it raised."""
_PROBE_S = 1.0
_DOUBT_S = 120.0
"""Ray needs a minute to notice that a node is gone; until then its processes are only out of reach."""
_CLOSE_S = 5.0
_LOOK_S = 0.05
_STACK_S = 2.0

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class PeerAnswer:
    """What a peer says to a command.

    Attributes:
        error: What its training code raised; None where it did not.
        ended: Whether its training has ended by itself.
    """

    error: str | None = None
    ended: bool = False


@dataclass(slots=True)
class Member:
    """Another process of the worker, as rank 0 sees it.

    Attributes:
        rank: Its rank.
        actor: Its actor, a `Peer`.
        node: The id of its node.
        stay: The reference of a call that ends only when the process does.
        call: The reference of the command that it has not answered, or answered last.
        asked: When `stay` was called, in monotonic seconds.
        doubted: Since when it has been out of reach, in monotonic seconds; None while it is not.
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

    def answer(self) -> PeerAnswer | None:
        """What it says to the last command; None before it has, or where it never will."""
        try:
            answer: PeerAnswer | None = ray.get(self.call) if self.call is not None and _is_ready(self.call) else None
        except RayError:
            return None
        return answer

    def death(self) -> RayError | None:
        """What Ray says of its end, or of its being out of reach."""
        return next((error for ref in (self.stay, self.call) if (error := _error_of(ref)) is not None), None)


class Ranks:
    """Opens trials in all processes of a worker. It implements `Opener`.

    Args:
        settings: What every worker of the sweep is told.
        members: The other processes.
    """

    def __init__(self, settings: EngineSettings, members: Sequence[Member]) -> None:
        self._local, self._members = LocalOpener(settings), members
        self._lock = Lock()
        self._raised: Fault | None = None
        """What the first process has raised."""
        self._raised_at = 0.0
        self._broken = False

    @property
    def broken(self) -> bool:
        """Whether rank 0 has raised: the others may wait for it in a collective operation for ever."""
        return self._broken

    def open(self, assignment: Assignment, found: Checkpoint | None) -> Training:
        """Opens the trial of an assignment in every process, from the same checkpoint."""
        facts = (assignment, found.step if found else 0)
        training, _ = self.together(lambda: self._local.open(assignment, found), "open", *facts)
        return RankedTraining(assignment.trial, training, self)

    def together(self, locally: Callable[[], Result], command: str, *facts: object) -> tuple[Result, list[int]]:
        """Does something in this process and, at the same time, in the others; never returns where one has a fault.

        Args:
            locally: What this process does.
            command: The method that the others call.
            *facts: Its arguments.

        Returns:
            What `locally` has returned, and the ranks of the others whose training has ended by itself.

        Raises:
            BaseException: Whatever `locally` raises, unless it does because of a fault.
        """
        self._send(command, *facts)
        try:
            result = locally()
        except BaseException as error:
            if self._has_fault_within(_SETTLE_S):
                sys.stderr.write(f"{describe(error).rstrip()}\n")
                _wait_to_be_given_up()
            self._broken = True
            raise
        calls = [member.call for member in self._members]
        ray.wait(calls, num_returns=len(calls))
        answers = {member.rank: member.answer() for member in self._members}
        if any(answer is None or answer.error is not None for answer in answers.values()):
            _wait_to_be_given_up()
        return result, [rank for rank, answer in answers.items() if answer is not None and answer.ended]

    def check_ended(self, here: bool, ended: Sequence[int]) -> None:
        """Refuses a training that has ended in some of the processes.

        Args:
            here: Whether it has in this one.
            ended: The ranks of the others in which it has.

        Raises:
            TrainerError: It has not ended in all or none.
        """
        ranks = sorted([0, *ended] if here else ended)
        if 0 < len(ranks) <= len(self._members):
            self._broken = True
            raise TrainerError(
                f"the training has ended by itself in rank {', '.join(map(str, ranks))} of"
                f" {len(self._members) + 1}: the processes have to end it at the same step"
            )

    def close(self, trial: int, locally: Callable[[], None]) -> None:
        """Closes a trial in every process; one that does not answer is not waited for long."""
        if self._broken:
            return  # its code may wait for the others, and all of them are about to be killed
        self._send("close", trial)
        try:
            locally()
        finally:
            calls = [member.call for member in self._members]
            ray.wait(calls, num_returns=len(calls), timeout=_CLOSE_S)

    def fault(self) -> Fault | None:
        """What happened in another process: the first that raised, unless one has died, or may have."""
        with self._lock:
            self._look()
            if any(member.doubted is not None for member in self._members):
                return next((fault for member in self._members if (fault := _death_of(member)) is not None), None)
            return self._raised if time.monotonic() - self._raised_at > _SETTLE_S else None

    def stacks(self) -> str:
        """Where the threads of the other processes are that train; those that do not answer soon are left out."""
        calls = [member.actor.stack.remote() for member in self._members]
        ready, _ = ray.wait(calls, num_returns=len(calls), timeout=_STACK_S)
        answered = [call in ready and _error_of(call) is None for call in calls]
        stacks = [
            f"rank {member.rank}:\n{ray.get(call)}"
            for member, call, there in zip(self._members, calls, answered, strict=True)
            if there
        ]
        return "".join(stacks)

    def _has_fault_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while True:
            with self._lock:
                self._look()
                if self._raised is not None or any(member.doubted is not None for member in self._members):
                    return True
            if time.monotonic() > deadline:
                return False
            Event().wait(_LOOK_S)

    def _send(self, command: str, *facts: object) -> None:
        with self._lock:
            for member in self._members:
                member.call = getattr(member.actor, command).remote(*facts)

    def _look(self) -> None:
        """Takes notice of what has happened since the last look."""
        for member in self._members:
            answer = member.answer()
            if self._raised is None and answer is not None and answer.error is not None:
                self._raised = Fault(f"rank {member.rank}: {answer.error}", OutcomeStatus.FAILED)
                self._raised_at = time.monotonic()
            if member.doubted is None and member.death() is not None:
                member.doubted = time.monotonic()


@dataclass(frozen=True, slots=True)
class RankedTraining:
    """A trial that is open in every process of a worker. It implements `Training`.

    Attributes:
        trial: The trial's number.
        local: The training in this process, whose metrics and state count.
        ranks: The processes.
    """

    trial: int
    local: Training
    ranks: Ranks = field(repr=False)

    def begin(self, stop: int) -> None:
        """Announces in every process that the next calls of `step` train up to step `stop`."""
        self.ranks.together(lambda: self.local.begin(stop), "begin", self.trial, stop)

    def step(self) -> dict[str, float] | None:
        """Trains one step in every process at once."""
        metrics, ended = self.ranks.together(self.local.step, "step", self.trial)
        self.ranks.check_ended(metrics is None, ended)
        return metrics

    @property
    def stateful(self) -> bool:
        """Whether this process has anything to save."""
        return self.local.stateful

    def save(self, directory: Path) -> bool:
        """Writes the state of this process, which is that of all."""
        return self.local.save(directory)

    def close(self) -> None:
        """Closes the trial in every process."""
        self.ranks.close(self.trial, self.local.close)


def gather(peers: Sequence[Any], settings: WorkerSettings) -> list[Member]:
    """Makes this process rank 0 and each peer another rank; no training code has been opened before.

    Args:
        peers: Actors, each a `Peer`.
        settings: What the worker is started with.

    Raises:
        RayActorError: A peer is lost.
        RayTaskError: A peer cannot open the settings.
    """
    places = [place_here(), *ray.get([peer.place.remote() for peer in peers])]
    order = rank_order(places)
    port = reserve_port(places[0].address)
    variables = rank_variables([places[position] for position in order], port)
    os.environ.update(variables[0])
    actors = [peers[position - 1] for position in order[1:]]
    ray.get([actor.join.remote(settings, told) for actor, told in zip(actors, variables[1:], strict=True)])
    nodes = [places[position].node for position in order[1:]]
    return [Member(rank, *facts) for rank, facts in enumerate(zip(actors, nodes, strict=True), 1)]


def place_here() -> Place:
    """Where this process is."""
    context = ray.get_runtime_context()
    given = context.get_accelerator_ids().get("GPU")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    devices = tuple(visible.split(",")) if given and visible else ()
    address: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    return Place(context.get_node_id(), address, devices)


def _death_of(member: Member) -> Fault | None:
    """How a process that is out of reach has died; None before that is known."""
    if member.doubted is None:
        return None
    error, name = member.death(), f"rank {member.rank}"
    if error is None or isinstance(error, ActorUnavailableError | ObjectLostError):
        if node_lives(member.node) and time.monotonic() - member.doubted < _DOUBT_S:
            if time.monotonic() - member.asked >= _PROBE_S:
                member.probe()
            return None
        return Fault(f"{name} was out of reach for a while.", OutcomeStatus.PREEMPTED)
    if _lost_with_node(member.node, error):
        first = str(error).strip().partition("\n")[0]
        return Fault(f"{name} was lost with its node: {first}", OutcomeStatus.PREEMPTED)
    return Fault(f"{name}: {death_reason(str(error))}", OutcomeStatus.FAILED)


def _lost_with_node(node: str, error: RayError) -> bool:
    preempted = isinstance(error, NodeDiedError) or (isinstance(error, RayActorError) and error.preempted)
    return preempted or not node_lives(node)


def _is_ready(call: Any) -> bool:
    ready, _ = ray.wait([call], timeout=0, fetch_local=False)
    return bool(ready)


def _error_of(call: Any) -> RayError | None:
    """What Ray says of a call that got no answer."""
    if call is None or not _is_ready(call):
        return None
    try:
        ray.get(call)
    except RayError as error:
        return error
    return None


def _wait_to_be_given_up() -> NoReturn:
    """Waits for the thread that asks for faults: it ends what is trained, and this process is killed after that."""
    while True:
        Event().wait()
