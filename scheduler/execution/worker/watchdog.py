"""Watching over the step that is being trained: its duration, and its last sign of life.

The training thread says when a step begins and ends; another thread of the worker asks whether it is overdue. For code
that never lets that other thread run, `faulthandler` writes the stacks, and the driver, left without an answer, gives
the worker up.
"""

import faulthandler
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, get_ident
from typing import IO

from ...core.trials.assignment import OutcomeStatus
from .assignment_run import AssignmentRun
from .opener import Fault
from .settings import TrainingSettings

LATE = 1.25
"""Number of times that the limit passes until `faulthandler` writes: it is not set anew at every short step."""
_MARGIN_S = 1.0


@dataclass(frozen=True, slots=True)
class StepTimeout:
    """A step that takes too long, or that another process of the worker cannot train.

    Attributes:
        runs: The runs that are trained in it.
        reason: A sentence, or the error of the other process.
        stack: The stack of its thread; empty where another process is to blame.
        elapsed_s: Seconds since it began.
        status: FAILED, or PREEMPTED where another process was lost with its node.
    """

    runs: Sequence[AssignmentRun]
    reason: str
    stack: str
    elapsed_s: float
    status: OutcomeStatus = OutcomeStatus.FAILED


@dataclass(frozen=True, slots=True)
class _Step:
    """The step that is being trained: of `runs`, the `number`-th (0 for opening a trial), by `thread` since `began`."""

    runs: Sequence[AssignmentRun]
    number: int
    thread: int
    began: float


class Watchdog:
    """Watches over the steps of one training thread; does nothing where no limit is given and no other process trains.

    Args:
        settings: The settings of every worker.
        quiet_s: Seconds since processes of the training code have printed what nobody has read yet.
        fault: Tells the fault in another process of the worker; None where it has one process.
    """

    def __init__(
        self, settings: TrainingSettings, quiet_s: Callable[[], float], fault: Callable[[], Fault | None] | None = None
    ) -> None:
        self._settings, self._quiet_s, self._limit = settings, quiet_s, settings.patience_s
        self._fault, self._active = fault, fault is not None or self._limit is not None
        self._lock = Lock()
        self._step: _Step | None = None
        self._heard = self._armed = 0.0
        self._given_up = False
        self._stacks: IO[bytes] | None = None

    def begin(self, runs: Sequence[AssignmentRun], number: int) -> None:
        """A step begins: of these runs the one with this number, or 0 where a trial is opened."""
        if self._active:
            with self._lock:
                self._step = _Step(runs, number, get_ident(), time.monotonic())
            self.heard()

    def end(self) -> None:
        """The step has ended, or raised; where it was given up meanwhile, this never returns."""
        if self._active:
            with self._lock:
                self._step = None
            if self._given_up:
                Event().wait()

    def heard(self) -> None:
        """The training code gives a sign of life."""
        if self._limit is None:
            return
        self._heard = time.monotonic()
        if self._stacks is not None and self._heard - self._armed > (LATE - 1) * self._limit:
            faulthandler.dump_traceback_later(LATE * self._limit + _MARGIN_S, file=self._stacks)
            self._armed = self._heard

    def overdue(self) -> StepTimeout | None:
        """The step that takes too long, once; from then on its thread gets no further than the step's end."""
        with self._lock:
            step = self._step
            if step is None or self._given_up:
                return None
            fault = None if self._fault is None else self._fault()
            reason = self._reason(step) if fault is None else fault.reason
            if reason is None:
                return None
            self._given_up = True
        faulthandler.cancel_dump_traceback_later()
        if fault is not None:
            return StepTimeout(step.runs, reason, "", time.monotonic() - step.began, fault.status)
        stack = "".join(traceback.format_stack(sys._current_frames()[step.thread]))
        return StepTimeout(step.runs, reason, stack, time.monotonic() - step.began)

    @contextmanager
    def stacks_to(self, log: Path | None) -> Iterator[None]:
        """Lets the stacks of code that blocks the whole process go to a log, which stays away if nothing is written."""
        if self._limit is None or log is None:
            yield
            return
        with log.open("ab") as stacks:
            self._stacks, self._armed = stacks, 0.0
            try:
                yield
            finally:
                faulthandler.cancel_dump_traceback_later()
                self._stacks = None
        if log.is_file() and log.stat().st_size == 0:
            log.unlink()

    def _reason(self, step: _Step) -> str | None:
        now, (timeout, stall) = time.monotonic(), (self._settings.timeout, self._settings.stall_timeout)
        trial = step.runs[0].assignment.trial
        if timeout is not None and now - step.began > timeout:
            return f"{_name(step.number)} took more than timeout, {timeout:g} s; {_where(trial)}"
        if stall is not None and min(now - self._heard, self._quiet_s()) > stall:
            return f"{_name(step.number)} gave no sign of life for stall_timeout, {stall:g} s; {_where(trial)}"
        return None


def unanswered(settings: TrainingSettings, trial: int) -> str:
    """Sentence on a trial whose worker has not answered for longer than a step may take."""
    field, limit = min(
        (limit, field)
        for field, limit in (("timeout", settings.timeout), ("stall_timeout", settings.stall_timeout))
        if limit is not None
    )[::-1]
    return f"a step took more than {field}, {limit:g} s, and its process did not even answer; {_where(trial)}"


def _name(number: int) -> str:
    return f"step {number}" if number else "opening the trial"


def _where(trial: int) -> str:
    return f"the stack is in logs/{trial}.log"
