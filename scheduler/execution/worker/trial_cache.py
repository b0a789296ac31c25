"""The trials in a worker's memory: opened where they stand, saved, kept warm, closed."""

import traceback
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ....trainers import TrainerError, Training
from ...core.trials.assignment import Assignment
from ...storage import Checkpoint, Checkpoints, StagedCheckpoint, SweepDirectory, is_outage
from .opener import Opener


@dataclass(slots=True)
class OpenTrial:
    """A trial in this worker's memory.

    Attributes:
        number: The trial's number.
        training: Its open training.
        step: Steps trained.
        metrics: The metrics at `step`.
        ended: True where the training ended by itself at `step`.
        elapsed_s: Seconds of training up to `step`, over all assignments, when it was saved last; 0 before that.
        ranges: The lowest and the highest value of each metric in the trial's own steps up to `step`.
    """

    number: int
    training: Training
    step: int
    metrics: Mapping[str, float]
    ended: bool = False
    elapsed_s: float = 0.0
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)

    def record(self, metrics: Mapping[str, float]) -> None:
        """Takes the metrics that a step has returned."""
        self.step, self.metrics = self.step + 1, metrics
        ranges = self.ranges
        for name, value in metrics.items():
            low, high = ranges.get(name, (value, value))
            if not low < value < high:
                ranges[name] = min(low, value), max(high, value)


class TrialCache:
    """Opens trials and closes them; those that are put back stay warm.

    Args:
        directory: The sweep's directory.
        opener: Opens them.
    """

    def __init__(self, directory: SweepDirectory, opener: Opener) -> None:
        self._directory, self._opener = directory.path, opener
        self._checkpoints = Checkpoints.of(directory)
        self._warm: OrderedDict[int, OpenTrial] = OrderedDict()

    def find(self, assignment: Assignment, reported: int = 0) -> Checkpoint | None:
        """The newest checkpoint of a trial that verifies and before which no report is missing, or else its parent's.

        Args:
            assignment: The work.
            reported: The step up to which this worker has reported it.

        Returns:
            The checkpoint that `acquire` goes on from; None where there is none, or the trial is warm.

        Raises:
            TrainerError: The trial begins from its parent's, which is not there or does not verify.
            ObjectStoreError: The object store does not answer.
            OSError: This machine has no room for a copy.
        """
        trial = self._warm.get(assignment.trial)
        if trial is not None and trial.step == assignment.start:
            return None
        latest = max(assignment.start, assignment.reported, reported)
        own = self._checkpoints.newest(assignment.trial, latest) if latest else None
        return own or self._inherited(assignment)

    def _inherited(self, assignment: Assignment) -> Checkpoint | None:
        """The parent's checkpoint, and no older one: to train that further would take the parent's configuration."""
        parent = assignment.parent
        if parent is None:
            return None
        try:
            return self._checkpoints.verified(parent.trial, parent.step)
        except (OSError, ValueError) as error:
            if is_outage(error, self._directory):
                raise
            reason = error.strerror if isinstance(error, OSError) else error
            raise TrainerError(
                f"trial {assignment.trial} begins from the checkpoint of trial {parent.trial} at step {parent.step},"
                f" which cannot be used ({reason}); put it back from a copy"
            ) from error

    def acquire(self, assignment: Assignment, found: Checkpoint | None) -> OpenTrial:
        """The trial of an assignment: warm, or from a checkpoint, or from its beginning.

        Args:
            assignment: The work.
            found: The checkpoint that `find` has found; it is released.
        """
        trial = self._warm.pop(assignment.trial, None)
        if trial is not None and trial.step != assignment.start:
            close(trial)
            trial = None
        return trial or self.open(assignment, found)

    def open(self, assignment: Assignment, found: Checkpoint | None = None) -> OpenTrial:
        """Opens a trial from a checkpoint, which is released, or from its beginning."""
        try:
            return self._open(assignment, found)
        finally:
            if found is not None:
                found.release()

    def _open(self, assignment: Assignment, found: Checkpoint | None) -> OpenTrial:
        training = self._opener.open(assignment, found)
        if found is None:
            return OpenTrial(assignment.trial, training, 0, {})
        meta = found.meta
        if found.trial != assignment.trial:
            # The parent's time and best values are its own, and this trial may go on where the parent has ended.
            return OpenTrial(assignment.trial, training, found.step, meta["metrics"])
        # A checkpoint that an older version wrote knows the last metrics only.
        ranges = meta.get("ranges", {name: (value, value) for name, value in meta["metrics"].items()})
        ranges = {name: (low, high) for name, (low, high) in ranges.items()}
        elapsed_s = meta.get("elapsed_s", 0.0)
        return OpenTrial(assignment.trial, training, found.step, meta["metrics"], meta["ended"], elapsed_s, ranges)

    def put_back(self, trial: OpenTrial) -> None:
        """Keeps a trial open, as the one that was used last."""
        self._warm[trial.number] = trial

    def save(self, trials: Sequence[OpenTrial]) -> list[BaseException | None]:
        """Writes a checkpoint of each trial that has something to save, durably.

        Returns:
            The error of each trial; None where it is saved.
        """
        staged = [self._staged(trial) for trial in trials]
        written = [one for one in staged if isinstance(one, StagedCheckpoint)]
        errors = dict(zip((one.trial for one in written), self._checkpoints.publish(written), strict=True))
        return [
            one if isinstance(one, BaseException) else errors.get(trial.number)
            for trial, one in zip(trials, staged, strict=True)
        ]

    def trim(self, most: int) -> None:
        """Closes the warm trials that were not used for the longest time, but for `most`."""
        while len(self._warm) > most:
            close(self._warm.popitem(last=False)[1])

    def _staged(self, trial: OpenTrial) -> StagedCheckpoint | BaseException | None:
        try:
            if trial.step == 0 or not trial.training.stateful:
                return None
            meta = {
                "metrics": dict(trial.metrics),
                "ended": trial.ended,
                "elapsed_s": trial.elapsed_s,
                "ranges": trial.ranges,
            }
            return self._checkpoints.stage(trial.number, trial.step, trial.training.save, meta)
        except (Exception, SystemExit) as error:
            return error


def close(trial: OpenTrial) -> None:
    """Closes a trial; an error of its code then changes no result and is only printed."""
    try:
        trial.training.close()
    except (Exception, SystemExit):
        traceback.print_exc()
