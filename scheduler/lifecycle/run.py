"""Running a sweep in its directory: take the lock, replay the journal, train the rest."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

from ..errors import SweepError, WorkerError
from ..execution.callbacks import Callback
from ..execution.executor import MeasuringExecutor
from ..execution.interrupts import Interrupts
from ..execution.loop import SweepLoop
from ..execution.snapshot import Observer, StopReason
from ..spec.spec import SweepSpec
from ..storage import SweepDirectory, SweepLock, write_file
from .fusing import fusing_sentence, sample_group, with_group_size
from .opening import RunHeader, open_record, recover
from .prepared import PreparedSweep
from .prior import save_prior
from .recorded import RecordedSweep
from .workers import ExecutorName, NodeCheck, workers_on_demand

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options that concern a run and not its sweep.

    Attributes:
        observe: Called about twice a second, if given.
        callbacks: The listeners to durable events.
        check: Looks at the nodes of a cluster before the first worker starts; they are not looked at if None.
        executor: The executor that trains.
    """

    observe: Observer | None = None
    callbacks: Sequence[Callback] = ()
    check: NodeCheck | None = None
    executor: ExecutorName = "ray"


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The outcome of a run.

    Attributes:
        reason: The reason for it.
        spec: The run's spec, with the group size that was measured for it.
    """

    reason: StopReason
    spec: SweepSpec


def run_in_directory(
    sweep: PreparedSweep,
    interrupts: Interrupts,
    recorded: RecordedSweep | None = None,
    options: RunOptions = RunOptions(),
) -> RunEnd:
    """Runs a sweep until its budget is spent or someone stops it.

    Args:
        sweep: The sweep.
        interrupts: Requests to stop.
        recorded: The sweep as its directory holds it, where it is resumed.
        options: Who looks on, and whether the nodes are looked at before.

    Raises:
        SweepError: The directory holds a sweep and `recorded` is None, or it cannot be made, or it is locked, or
            workers cannot be started.
    """
    directory = SweepDirectory(sweep.spec.directory)
    _create(directory)
    with (
        SweepLock(directory.lock) as lock,
        interrupts.listening(),
        workers_on_demand(sweep, options.check, options.executor) as workers,
    ):
        known = _begin(directory, sweep) if recorded is None else _go_on(directory, recorded)
        return _run(sweep, known, lock, workers, interrupts, options)


def _run(
    sweep: PreparedSweep,
    recorded: RecordedSweep,
    lock: SweepLock,
    workers: Callable[[], MeasuringExecutor],
    interrupts: Interrupts,
    options: RunOptions,
) -> RunEnd:
    directory, spec = recorded.directory, sweep.spec
    ran = recorded.spec if recorded.events else None
    if ran is not None:
        recorded.check_edits(spec)
    if spec.fuse.size == "auto":
        spec = _measured(directory, spec, workers())
    elif spec.fuse.size > 1 and not recorded.runs:
        _logger.info("%s", fusing_sentence(spec))
    if ran is None:
        recorded.begin_with(spec)
    state, history = recorded.replay(), recorded.history
    found = recover(recorded, state)
    state, edited = recorded.edit(spec)
    record = open_record(directory, spec, state, RunHeader(ran or spec, found, edited, lock, options.callbacks))
    try:
        if state.finished:
            record.close(state, StopReason.FINISHED)
            return RunEnd(StopReason.FINISHED, spec)
        seconds = inf if spec.budget.hours is None else spec.budget.hours * 3600 - history.seconds
        return RunEnd(SweepLoop(state, workers(), record, interrupts, seconds, options.observe).run(), spec)
    finally:
        record.release()


def _create(directory: SweepDirectory) -> None:
    try:
        directory.create()
    except OSError as error:
        raise SweepError(
            f"storage: the sweep's directory {directory.path} cannot be made ({error.strerror}: {error.filename});"
            " name a folder that can be written."
        ) from error


def _begin(directory: SweepDirectory, sweep: PreparedSweep) -> RecordedSweep:
    """Prepares the directory for a new sweep, as only the process that holds the lock may."""
    # A sweep without a first decision has nothing to lose to a new one.
    if any(event.get("type") == "decided" for event in RecordedSweep(directory, written=sweep.spec).events):
        raise SweepError(
            f"{directory.path} already holds a sweep: go on with it (caviar resume {directory.path}), or choose another"
            " name."
        )
    directory.clear_staging()
    directory.stop.unlink(missing_ok=True)
    directory.clear_results()
    if sweep.warm_start is not None:
        save_prior(directory, sweep.spec, sweep.warm_start.trials)
        _logger.info("%s", sweep.warm_start)
    write_file(directory.spec, sweep.spec.to_yaml().encode(), directory.staging)
    return RecordedSweep(directory, written=sweep.spec)


def _go_on(directory: SweepDirectory, recorded: RecordedSweep) -> RecordedSweep:
    """Puts the directory of an earlier run in order, as only the process that holds the lock may."""
    directory.clear_staging()
    directory.stop.unlink(missing_ok=True)
    recorded.advance()
    recorded.repair_tail()
    return recorded


def _measured(directory: SweepDirectory, spec: SweepSpec, workers: MeasuringExecutor) -> SweepSpec:
    """The spec with a measured group size, which becomes part of the sweep before its first decision."""
    reason = "together they would not be faster on this device"
    try:
        size = workers.group_size(sample_group(spec))
    except WorkerError as error:
        size, reason = 1, f"how many to fuse could not be measured ({error})"
    spec = with_group_size(spec, size)
    write_file(directory.spec, spec.to_yaml().encode(), directory.staging)
    _logger.info("%s", fusing_sentence(spec, reason))
    return spec
