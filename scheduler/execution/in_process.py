"""An executor in this process: training runs in the caller's thread, for a debugger, a profiler and a notebook.

A worker's engine trains here as it does in a Ray actor: the same trials, checkpoints, retries and judgements, and the
same table of trials. Nothing of Ray is imported. `wait` trains step by step until its time is over, so `breakpoint()`
stops where it stands, a profiler sees the training code, and the loop looks at requests to stop between two steps.

Two things differ from a worker with a process of its own. The output of training code goes to the standard output and
error of this process, as in a script, and not to logs of the trials. And no step takes too long: nothing could end it,
and somebody who debugs one takes as long as they like, so that `timeout` and `stall_timeout` do not count.
"""

import time
from bdb import BdbQuit
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf

from ..core.proposers.proposal import DesignProposer, Proposer, Request
from ..core.trials.assignment import Assignment, Outcome, split_groups
from ..core.trials.reports import ReportBatch
from ..errors import WorkerError
from .echoed_output import EchoedOutput
from .executor import Updates
from .proposals import make_proposal
from .worker.engine import Engine
from .worker.report_queue import MANY_REPORTS, ReportQueue
from .worker.settings import TrainingSettings
from .worker.storage_wait import Turns


class InProcessExecutor:
    """Trains one group at a time, in the thread that calls `wait`; it implements `MeasuringExecutor`.

    A debugger that is left (`q` in pdb) and Ctrl-C end the sweep where it stands, as they end a script: `wait` passes
    their exception on, and the sweep can be resumed.

    Args:
        settings: The settings of every worker; their limits of time do not count here.
        proposer: Makes the proposals, between two steps of training; None leaves all points to the controller's design.
    """

    def __init__(self, settings: TrainingSettings, proposer: Proposer | None = None) -> None:
        self._proposer = proposer or DesignProposer()
        self._requests: list[Request] = []
        self._reports = ReportQueue()
        self._reports.open_wide()  # one thread fills and drains it, so it must never wait for room
        self._output, self._training_time = EchoedOutput(), _Stopwatch()
        self._engine = Engine(
            replace(settings, timeout=None, stall_timeout=None),
            self._reports,
            output=self._output,
            clock=self._training_time.seconds,
            passing=(BdbQuit,),
        )
        self._queue: deque[Sequence[Assignment]] = deque()
        """The groups that have not ended; the first is the one that is trained."""
        self._turns: Turns[None] | None = None
        """The training of the first group, once it has begun."""
        self._resume_at = -inf
        """The time at which it is to go on, on the monotonic clock, where it waits for the storage."""
        self._closing = False

    @property
    def workers(self) -> int:
        """One."""
        return 1

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return time.monotonic()

    def capacity(self) -> int:
        """One group where none is trained."""
        return 0 if self._closing else max(0, 1 - len(self._queue))

    def idle(self) -> bool:
        """True where nothing is trained."""
        return not self._queue and not self._closing

    def scale(self, demand: Callable[[], int]) -> None:
        """Does nothing: there is one worker, however much work there is."""

    def start(self, assignments: Sequence[Assignment]) -> None:
        """Puts each group behind those that were started before; `wait` trains them."""
        self._queue.extend(split_groups(assignments))

    def ask(self, request: Request) -> None:
        """Notes a request; the next `wait` makes its proposal before it trains on."""
        self._requests.append(request)

    def wait(self, timeout: float) -> Updates:
        """Makes the proposals that were asked for, or trains until a group ends or the time is over.

        A step is never cut off: one that takes longer than `timeout` makes this take longer too.
        """
        requests, self._requests = self._requests, []
        if requests:
            proposals = [make_proposal(self._proposer, request) for request in requests]
            return Updates(ReportBatch.empty(), [], proposals)
        outcomes = self._train(time.monotonic() + timeout)
        return Updates(self._reports.drain(), outcomes, waiting=self._engine.waiting)

    def group_size(self, assignments: Sequence[Assignment]) -> int:
        """Number of trials of a lane to train together on this process's device, of which they may have all.

        Args:
            assignments: Trials that can be trained together.

        Raises:
            WorkerError: The training code raises.
        """
        with self._output.listening():
            try:
                return self._engine.group_size(assignments, share=1.0)
            except BdbQuit:
                raise
            except (Exception, SystemExit) as error:
                raise WorkerError(f"{type(error).__name__}: {error}") from error

    def cancel(self) -> None:
        """Has the group that is trained end before its next step, and the others before their first."""
        self._closing, self._resume_at = True, -inf
        self._engine.pause()

    def close(self) -> None:
        """Closes the open trials, and forgets unfinished work."""
        self._closing = True
        self._queue.clear()
        with self._output.listening():
            if self._turns is not None:
                self._turns.close()
            self._engine.close()

    def _train(self, deadline: float) -> Sequence[Outcome]:
        """Trains until a group ends, many reports are there or the time is over; returns the outcomes of the group."""
        with self._output.listening():
            while self._queue and not self._rest(deadline):
                if self._step():
                    return self._engine.outcomes
                if len(self._reports) >= MANY_REPORTS or time.monotonic() >= deadline:
                    return ()
        if not self._queue:
            _sleep_until(deadline)
        return ()

    def _rest(self, deadline: float) -> bool:
        """Waits until the training is to go on; returns True where the time is over before that."""
        _sleep_until(min(self._resume_at, deadline))
        return self._resume_at > deadline

    def _step(self) -> bool:
        """Trains one step, and says whether the group has ended with it."""
        if self._turns is None:
            self._turns = self._engine.train(self._queue[0])
        with self._training_time:
            pause = next(self._turns, None)
        if pause is None:
            self._turns = None
            self._queue.popleft()
            return True
        self._resume_at = time.monotonic() + pause if pause else -inf
        return False


class _Stopwatch:
    """Counts the seconds of training, without those in which the loop does something else."""

    def __init__(self) -> None:
        self._before, self._since = 0.0, 0.0
        self._runs = False

    def __enter__(self) -> None:
        self._since, self._runs = time.perf_counter(), True

    def __exit__(self, *error: object) -> None:
        self._before, self._runs = self.seconds(), False

    def seconds(self) -> float:
        """The seconds so far."""
        return self._before + (time.perf_counter() - self._since if self._runs else 0.0)


def _sleep_until(when: float) -> None:
    """Sleeps until a time on the monotonic clock, if it is still to come."""
    left = when - time.monotonic()
    if left > 0:
        time.sleep(left)
