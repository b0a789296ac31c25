"""Deleting the checkpoints that nobody needs any more, beside the loop."""

import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from ..core.state import SweepState
from ..core.trials.goal import Mode
from ..core.trials.reports import ReportBatch
from ..core.trials.retention import Retention, Standing, Stored, expendable
from ..core.trials.trial import TrialRow, TrialState
from ..errors import ObjectStoreError
from ..storage import Checkpoints

_logger = logging.getLogger(__name__)


class CheckpointCleanup:
    """Keeps only those checkpoints of a sweep that a person wants or that its trials go on from.

    It acts on states whose outcomes are durable: nothing deleted here is needed by a recovery. A deletion that is cut
    off leaves the checkpoint where it is, or in the staging folder, which the next run clears.

    Args:
        checkpoints: The sweep's checkpoints.
        retention: The rule by which some of them are kept.
        mode: The direction of the metric: minimised or maximised.
        between: True where checkpoints are saved between rungs as well.
    """

    def __init__(self, checkpoints: Checkpoints, retention: Retention, mode: Mode, *, between: bool = False) -> None:
        self._checkpoints, self._retention, self._mode, self._between = checkpoints, retention, mode, between
        self._received: dict[int, int] = {}
        """The last step that each trial has reported since the last part was written."""
        self._durable: dict[int, int] = {}
        """The step up to which each trial's reports are on the disk, as far as this run wrote them."""
        self._stored: dict[int, list[Stored]] = {}
        self._seen: dict[int, tuple[TrialState, int]] = {}
        """The state and step of each trial when its folder was read last."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint cleanup")
        self._pass: Future[None] | None = None
        self._warned = False

    def received(self, reports: ReportBatch) -> None:
        """Notes reports that the next part will hold."""
        if self._between:
            self._received.update(reports.last_steps())

    def flushed(self) -> None:
        """Notes that the reports received so far are on the disk."""
        self._durable.update(self._received)
        self._received.clear()

    def tidy(self, state: SweepState) -> None:
        """Begins to delete the checkpoints that may go, unless an earlier call is still at it.

        Args:
            state: The sweep; no outcome that it has handled can be lost.
        """
        if self._retention.everything or (self._pass is not None and not self._pass.done()):
            return
        needed = state.needed
        self._durable = {trial: step for trial, step in self._durable.items() if trial in needed}
        standing = Standing(state.rows, self._mode, needed, dict(self._durable), state.parents)
        self._pass = self._thread.submit(self._tidy, standing)

    def finish(self, state: SweepState) -> None:
        """Deletes the checkpoints that may go at the end of a run, and waits for that."""
        if self._pass is not None:
            self._pass.result()
        self.tidy(state)
        self.close()

    def close(self) -> None:
        """Waits for the deletion that is going on; nothing follows."""
        self._thread.shutdown()

    def _tidy(self, standing: Standing) -> None:
        try:
            self._read(standing.rows)
            stored = [one for trial in self._stored.values() for one in trial]
            found = expendable(self._retention, stored, standing)
            for one in found.checkpoints:
                self._checkpoints.delete(one.trial, one.step)
                self._stored[one.trial].remove(one)
        except (OSError, ObjectStoreError) as error:
            _logger.warning("Checkpoints that are not needed any more cannot be deleted now (%s).", error)
        except Exception:
            _logger.exception("Deleting checkpoints that are not needed any more failed; the sweep goes on.")
        else:
            self._warn(found.excess)

    def _read(self, rows: Iterable[TrialRow]) -> None:
        """Looks into the folders of the trials that may have other checkpoints than the last time."""
        for row in rows:
            if row.state is TrialState.RUNNING or self._seen.get(row.trial) != (row.state, row.step):
                self._stored[row.trial] = self._stored_of(row.trial)
                self._seen[row.trial] = row.state, row.step

    def _stored_of(self, trial: int) -> list[Stored]:
        known: Mapping[int, Stored] = {one.step: one for one in self._stored.get(trial, ())}
        return [known.get(step) or self._measured(trial, step) for step in self._checkpoints.steps(trial)]

    def _measured(self, trial: int, step: int) -> Stored:
        return Stored(trial, step, 0 if self._retention.disk is None else self._checkpoints.size(trial, step))

    def _warn(self, excess: int) -> None:
        if excess and not self._warned:
            _logger.warning(
                "checkpoints.disk: the checkpoints that trials go on from and the best one take %s more than the limit"
                " of %s bytes; they are kept.",
                f"{excess:,} bytes",
                f"{self._retention.disk:,}",
            )
        self._warned = bool(excess)
