"""Workers that train nothing, a hundred in one process: what the driver of a large cluster has to do, on one machine.

A `Seat` stands where a worker's actor does. What it says travels as a real answer, from a process on another raylet,
through `ray.wait` and the object store; only the training is a clock.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Any
from unittest.mock import patch

import numpy as np
import ray
from ray.cluster_utils import Cluster

from caviar.scheduler.core.trials.assignment import Assignment, Outcome, OutcomeStatus
from caviar.scheduler.core.trials.reports import ReportBatch
from caviar.scheduler.execution.pool.launcher import WorkerLauncher
from caviar.scheduler.execution.worker.ranks.actor import PollReply

METRIC = "loss"
MEMORY = 100 * 2**20


class _Candidate:
    """What one worker has to do and how far it is."""

    def __init__(self) -> None:
        self.queue: deque[Assignment] = deque()
        self.began = 0.0
        self.step = 0

    def give(self, groups: Sequence[Sequence[Assignment]]) -> None:
        if not self.queue:
            self._begin_next(groups[0][0])
        self.queue.extend(work for group in groups for work in group)

    def advance(self, step_s: float) -> tuple[list[tuple[Assignment, int, int]], list[Outcome]]:
        """The stretches of steps that have ended since the last call, and the outcomes."""
        stretches, outcomes = [], []
        while self.queue:
            work = self.queue[0]
            step = min(work.stop, work.start + int((time.monotonic() - self.began) / step_s))
            if step > self.step:
                stretches.append((work, self.step, step))
                self.step = step
            if step < work.stop:
                break
            value = 1.0 / step + 1e-3 * (work.seed % 1000)
            outcomes.append(
                Outcome(work.trial, work.rung, work.attempt, OutcomeStatus.COMPLETED, step, value, step_s * step)
            )
            self.queue.popleft()
            if self.queue:
                self._begin_next(self.queue[0])
        return stretches, outcomes

    def left_s(self, step_s: float) -> float:
        """Seconds until the assignment ends; long where there is none."""
        if not self.queue:
            return 3600.0
        work = self.queue[0]
        return max(0.0, self.began + (work.stop - work.start) * step_s - time.monotonic())

    def _begin_next(self, work: Assignment) -> None:
        self.began, self.step = time.monotonic(), work.start


class Crowd:
    """Many workers in one process; an asyncio actor.

    Args:
        seats: Number of workers.
        step_s: Seconds of a step.
    """

    def __init__(self, seats: int, step_s: float) -> None:
        self._seats, self._step_s = [_Candidate() for _ in range(seats)], step_s
        self._changed = [asyncio.Event() for _ in range(seats)]
        self._node = ray.get_runtime_context().get_node_id()

    async def submit(self, seat: int, groups: Sequence[Sequence[Assignment]]) -> None:
        """Takes work."""
        self._seats[seat].give(groups)
        self._changed[seat].set()

    async def poll(self, seat: int, timeout: float) -> PollReply:
        """What a worker's `poll` answers."""
        deadline = time.monotonic() + timeout
        stretches: list[tuple[Assignment, int, int]] = []
        while True:
            self._changed[seat].clear()
            more, outcomes = self._seats[seat].advance(self._step_s)
            stretches += more
            left = deadline - time.monotonic()
            if outcomes or left <= 0:
                return PollReply(_batch(stretches), outcomes, self._node, frozenset([self._node]), False, None)
            try:
                await asyncio.wait_for(self._changed[seat].wait(), min(left, self._seats[seat].left_s(self._step_s)))
            except asyncio.TimeoutError:
                continue


def _batch(stretches: Sequence[tuple[Assignment, int, int]]) -> ReportBatch:
    if not stretches:
        return ReportBatch.empty()
    counts = [stop - start for _, start, stop in stretches]
    steps = np.concatenate([np.arange(start + 1, stop + 1) for _, start, stop in stretches])
    works = [work for work, _, _ in stretches]

    def column(name: str, kind: type[np.generic]) -> Any:
        return np.repeat(np.array([getattr(work, name) for work in works], kind), counts)

    return ReportBatch(
        trial=column("trial", np.int32),
        attempt=column("attempt", np.int32),
        bracket=column("bracket", np.int64),
        rung=column("rung", np.int64),
        step=steps.astype(np.int64),
        time=np.full(len(steps), time.time_ns() // 1000, np.int64),
        elapsed_s=steps.astype(np.float64),
        metrics={METRIC: 1.0 / steps},
    )


class _Call:
    """A method of a seat, called as that of an actor is."""

    def __init__(self, remote: Callable[..., Any]) -> None:
        self.remote = remote


class Seat:
    """One worker of a crowd, in the place of its actor.

    Args:
        crowd: The actor of the crowd.
        seat: Which of its workers.
        polls: Gets an item a poll.
    """

    def __init__(self, crowd: Any, seat: int, polls: list[int]) -> None:
        self._crowd, self._seat, self._polls = crowd, seat, polls
        self._actor_id = crowd._actor_id
        self.poll = _Call(self._begin_poll)
        self.submit = _Call(lambda number, groups: crowd.submit.remote(seat, groups))
        self.pause = _Call(lambda: None)
        self.close = _Call(lambda timeout: crowd.poll.remote(seat, 0.0))

    def _begin_poll(self, timeout: float) -> Any:
        self._polls.append(self._seat)
        return self._crowd.poll.remote(self._seat, timeout)


@contextmanager
def seated(workers: int, raylets: int, step_s: float) -> Iterator[list[int]]:
    """A cluster of raylets on this machine, on which the workers of sweeps are seats meanwhile.

    Args:
        workers: Number of seats.
        raylets: Raylets besides the head, each with one process.
        step_s: Seconds of a step.

    Yields:
        An item for each poll that the driver has begun.
    """
    polls: list[int] = []
    head = {"num_cpus": 0, "object_store_memory": MEMORY, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    each = ceil(workers / raylets)
    crowds = []
    for _ in range(raylets):
        cluster.add_node(num_cpus=each, object_store_memory=MEMORY)
        actor: Any = ray.remote(Crowd).options(num_cpus=0, scheduling_strategy="SPREAD", max_concurrency=4 * each)
        crowds.append(actor.remote(each, step_s))
    seats = iter([Seat(crowd, seat, polls) for seat in range(each) for crowd in crowds])
    with (
        patch.object(WorkerLauncher, "make", lambda _: next(seats)),
        patch.object(WorkerLauncher, "end", lambda *_: None),
    ):
        yield polls
    ray.shutdown()
    cluster.shutdown()  # type: ignore[no-untyped-call]
