"""The processes of one worker that train a trial together, as rank 0 commands them.

Rank 0 decides what happens next, so every process is at the same step whenever a trial is paused. A command goes to all
at once, and the next one only when all have answered. A process's error or death becomes a `Fault`: rank 0 may wait
for that process in a collective operation for ever, so another thread asks for the fault and gives the worker up.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from typing import NoReturn, TypeVar

import ray

from .....trainers import TrainerError, Training
from ....core.trials.assignment import Assignment, OutcomeStatus
from ....storage import Checkpoint
from ..failures import describe
from ..opener import Fault, LocalOpener
from ..settings import TrainingSettings
from .handle import RankHandle, ray_error

_SETTLE_S = 2.0
"""Seconds after a process has raised in which another may turn out to have died before, which is why it raised."""
_CLOSE_S = 5.0
_LOOK_S = 0.05
_STACK_S = 2.0

Result = TypeVar("Result")


class RankGroup:
    """Opens trials in all processes of a worker. It implements `Opener`.

    Args:
        settings: The settings of every worker of the sweep.
        handles: The other processes.
    """

    def __init__(self, settings: TrainingSettings, handles: Sequence[RankHandle]) -> None:
        self._local, self._handles = LocalOpener(settings), handles
        self._lock = Lock()
        self._raised: Fault | None = None
        """The fault of the first process that has raised."""
        self._raised_at = 0.0
        self._broken = False

    @property
    def broken(self) -> bool:
        """True where rank 0 has raised: the others may wait for it in a collective operation for ever."""
        return self._broken

    def open(self, assignment: Assignment, found: Checkpoint | None) -> Training:
        """Opens the trial of an assignment in every process, from the same checkpoint."""
        place = None if found is None else (found.trial, found.step)
        training, _ = self.together(lambda: self._local.open(assignment, found), "open", assignment, place)
        return RankedTraining(assignment.trial, training, self)

    def together(self, locally: Callable[[], Result], command: str, *facts: object) -> tuple[Result, list[int]]:
        """Does something in this process and, at the same time, in the others; never returns where one has a fault.

        Args:
            locally: The action of this process.
            command: The method that the others call.
            *facts: Its arguments.

        Returns:
            The result of `locally`, and the ranks of the others whose training has ended by itself.

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
        calls = [handle.call for handle in self._handles]
        ray.wait(calls, num_returns=len(calls))
        replies = {handle.rank: handle.reply() for handle in self._handles}
        if any(reply is None or reply.error is not None for reply in replies.values()):
            _wait_to_be_given_up()
        return result, [rank for rank, reply in replies.items() if reply is not None and reply.ended]

    def check_ended(self, here: bool, ended: Sequence[int]) -> None:
        """Refuses a training that has ended in some of the processes.

        Args:
            here: True where it has in this one.
            ended: The ranks of the others in which it has.

        Raises:
            TrainerError: It has not ended in all or none.
        """
        ranks = sorted([0, *ended] if here else ended)
        if 0 < len(ranks) <= len(self._handles):
            self._broken = True
            raise TrainerError(
                f"the training has ended by itself in rank {', '.join(map(str, ranks))} of"
                f" {len(self._handles) + 1}: the processes have to end it at the same step"
            )

    def close(self, trial: int, locally: Callable[[], None]) -> None:
        """Closes a trial in every process; one that does not answer is not waited for long."""
        if self._broken or self.fault() is not None:
            return  # its code may wait for the others, and all of them are about to be killed
        self._send("close", trial)
        try:
            locally()
        finally:
            calls = [handle.call for handle in self._handles]
            ray.wait(calls, num_returns=len(calls), timeout=_CLOSE_S)

    def fault(self) -> Fault | None:
        """The fault in another process: the first that raised, unless one has died, or may have."""
        with self._lock:
            self._look()
            if any(handle.doubted is not None for handle in self._handles):
                return next((fault for handle in self._handles if (fault := handle.death()) is not None), None)
            return self._raised if time.monotonic() - self._raised_at > _SETTLE_S else None

    def stacks(self) -> str:
        """Stacks of the training threads of the other processes; those that do not answer soon are left out."""
        calls = [handle.actor.stack.remote() for handle in self._handles]
        ready, _ = ray.wait(calls, num_returns=len(calls), timeout=_STACK_S)
        answered = [call in ready and ray_error(call) is None for call in calls]
        stacks = [
            f"rank {handle.rank}:\n{ray.get(call)}"
            for handle, call, has_answered in zip(self._handles, calls, answered, strict=True)
            if has_answered
        ]
        return "".join(stacks)

    def _has_fault_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while True:
            with self._lock:
                self._look()
                if self._raised is not None or any(handle.doubted is not None for handle in self._handles):
                    return True
            if time.monotonic() > deadline:
                return False
            Event().wait(_LOOK_S)

    def _send(self, command: str, *facts: object) -> None:
        with self._lock:
            for handle in self._handles:
                handle.call = getattr(handle.actor, command).remote(*facts)

    def _look(self) -> None:
        """Takes notice of faults since the last look."""
        for handle in self._handles:
            reply = handle.reply()
            if self._raised is None and reply is not None and reply.error is not None:
                self._raised = Fault(f"rank {handle.rank}: {reply.error}", OutcomeStatus.FAILED)
                self._raised_at = time.monotonic()
            handle.look()


@dataclass(frozen=True, slots=True)
class RankedTraining:
    """A trial that is open in every process of a worker. It implements `Training`.

    Attributes:
        trial: The trial's number.
        local: The training in this process, whose metrics and state count.
        group: The processes.
    """

    trial: int
    local: Training
    group: RankGroup

    def begin(self, stop: int) -> None:
        """Announces in every process that the next calls of `step` train up to step `stop`."""
        self.group.together(lambda: self.local.begin(stop), "begin", self.trial, stop)

    def step(self) -> dict[str, float] | None:
        """Trains one step in every process at once."""
        metrics, ended = self.group.together(self.local.step, "step", self.trial)
        self.group.check_ended(metrics is None, ended)
        return metrics

    @property
    def stateful(self) -> bool:
        """True where this process has anything to save."""
        return self.local.stateful

    def save(self, directory: Path) -> bool:
        """Writes the state of this process, which is that of all."""
        return self.local.save(directory)

    def close(self) -> None:
        """Closes the trial in every process."""
        self.group.close(self.trial, self.local.close)


def _wait_to_be_given_up() -> NoReturn:
    """Waits for the thread that asks for faults: it ends the training, and this process is killed after that."""
    while True:
        Event().wait()
