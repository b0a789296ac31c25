"""A rank's process: a Ray actor in which a trial is trained together with rank 0's process, at its command."""

import os
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from threading import Event, get_ident

import ray

from .....trainers import TrainerError, Training
from ....core.trials.assignment import Assignment
from ....storage import Checkpoints, SweepDirectory
from ..failures import describe
from ..opener import LocalOpener
from ..output import TrialOutput
from ..settings import TrainingSettings
from .actor_settings import ActorSettings
from .handle import RankReply, address_here
from .rendezvous import RankAddress


class RankTrials:
    """The trials that are open in a process beside rank 0's: nothing is reported or saved from here.

    Args:
        settings: The settings of every worker of the sweep.
        rank: The rank of this process, above 0; what its trials print goes to logs of their own.
    """

    def __init__(self, settings: TrainingSettings, rank: int) -> None:
        self._directory, self._rank = SweepDirectory(settings.directory), rank
        self._checkpoints = Checkpoints.of(self._directory)
        self._opener = LocalOpener(settings)
        self._output = TrialOutput(lambda: None)
        self._open: dict[int, Training] = {}
        self._capture, self._captured = ExitStack(), -1
        """The log that is written to, and its trial: it stays open from step to step."""
        self._thread: int | None = None

    def open(self, assignment: Assignment, address: tuple[int, int] | None) -> RankReply:
        """Opens a trial from the checkpoint of a trial at a step, or from its beginning."""
        return self._guarded(assignment.trial, lambda: self._opened(assignment, address))

    def begin(self, trial: int, stop: int) -> RankReply:
        """Announces the step up to which the next calls of `step` train."""
        return self._guarded(trial, lambda: self._open[trial].begin(stop))

    def step(self, trial: int) -> RankReply:
        """Trains one step."""
        return self._guarded(trial, lambda: self._open[trial].step() is None)

    def close(self, trial: int) -> RankReply:
        """Closes a trial; an error of its code then changes no result and is only printed."""
        training = self._open.pop(trial, None)
        if training is not None:
            self._guarded(trial, training.close)
        self._capture.close()
        self._captured = -1
        return RankReply()

    def stack(self) -> str:
        """Stack of the thread that trains; called from another one."""
        frame = sys._current_frames().get(self._thread or 0)
        return "" if frame is None else "".join(traceback.format_stack(frame))

    def _opened(self, assignment: Assignment, address: tuple[int, int] | None) -> None:
        found = None if address is None else self._checkpoints.newest(*address)
        if address is not None and (found is None or found.step != address[1]):
            raise TrainerError(
                f"the checkpoint of step {address[1]}, from which rank 0 goes on, cannot be read on this node;"
                " storage has to be a folder that all nodes share, or an object store"
            )
        try:
            self._open[assignment.trial] = self._opener.open(assignment, found)
        finally:
            if found is not None:
                found.release()

    def _guarded(self, trial: int, action: Callable[[], bool | None]) -> RankReply:
        self._thread = get_ident()
        if trial != self._captured:
            self._capture.close()
            self._capture.enter_context(self._output.captured(self._directory.log(trial, self._rank)))
            self._captured = trial
        try:
            return RankReply(ended=bool(action()))
        except (Exception, SystemExit) as error:
            text = describe(error)
            sys.stderr.write(text if text.endswith("\n") else f"{text}\n")
            return RankReply(error=text)


class RankProcess:
    """The actor: it waits until it is told its rank, and then follows rank 0."""

    def __init__(self) -> None:
        self._trials: RankTrials | None = None

    @ray.method(concurrency_group="life")
    def stay(self) -> None:
        """Never returns: the call ends when the process does."""
        Event().wait()

    @ray.method(concurrency_group="life")
    def stack(self) -> str:
        """Stack of the thread that trains."""
        return self._joined.stack()

    def address(self) -> RankAddress:
        """Address of this process."""
        return address_here()

    def join(self, settings: ActorSettings, variables: Mapping[str, str]) -> None:
        """Takes a rank.

        Args:
            settings: The settings that the worker is started with.
            variables: The environment variables of the rank, from `rank_variables`.
        """
        os.environ.update(variables)
        self._trials = RankTrials(settings.opened(), int(variables["RANK"]))

    def open(self, assignment: Assignment, address: tuple[int, int] | None) -> RankReply:
        """See `RankTrials.open`."""
        return self._joined.open(assignment, address)

    def begin(self, trial: int, stop: int) -> RankReply:
        """See `RankTrials.begin`."""
        return self._joined.begin(trial, stop)

    def step(self, trial: int) -> RankReply:
        """See `RankTrials.step`."""
        return self._joined.step(trial)

    def close(self, trial: int) -> RankReply:
        """See `RankTrials.close`."""
        return self._joined.close(trial)

    @property
    def _joined(self) -> RankTrials:
        assert self._trials is not None, "it has a rank before it is given a trial"
        return self._trials
