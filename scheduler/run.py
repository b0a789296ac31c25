"""Running a sweep in its directory: take the lock, replay what happened, train what is left."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any

from ..trainers import Trainer
from .core.controllers import make_controller
from .core.observations import Observations
from .core.state import SweepState
from .errors import JournalError, ReplayError, SweepError, WorkerError
from .execution.executor import MeasuringExecutor
from .execution.housekeeping import Housekeeping
from .execution.interrupts import Interrupts
from .execution.loop import Observer, StopReason, SweepLoop
from .execution.record import DurableRecord
from .execution.replay import History, replay
from .fusing import fusing_sentence, sample_group, with_group_size
from .recovery import recover_checkpoints
from .results import ReportWriter, check_parts, drop_uncovered, marks_to_note, recorded_parts
from .spec import SweepSpec
from .storage import (
    Checkpoints,
    Journal,
    Location,
    SweepDirectory,
    SweepLock,
    event_place,
    read_journal,
    settle_journal,
    write_file,
)
from .warm_start import check_prior, prior_mark, save_prior, saved_prior
from .workers import workers_on_demand

_logger = logging.getLogger(__name__)


def new_state(spec: SweepSpec, prior: Observations | None = None) -> SweepState:
    """The state of a sweep before its first decision.

    Args:
        spec: The spec.
        prior: Results of an earlier sweep, to learn from; none if None.
    """
    search = replace(spec.search, prior=prior)
    return SweepState(make_controller(search), spec.mode, spec.seed, spec.max_failures, spec.max_preemptions)


def load_spec(path: Location) -> SweepSpec:
    """The spec in a sweep's directory.

    Raises:
        SweepError: There is no sweep.
    """
    file = SweepDirectory(path).spec
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        raise SweepError(f"{path}: there is no sweep here; a sweep's directory holds a sweep.yaml.") from None
    except UnicodeDecodeError as error:
        raise SweepError(f"{file}: this spec cannot be read ({error}).") from None
    return SweepSpec.from_yaml(text, str(file))


def load_state(path: Location, spec: SweepSpec) -> tuple[SweepState, History]:
    """The state that a sweep's journal leads to; reads only.

    Raises:
        JournalError: The journal cannot be trusted.
        ResultsError: The results of the earlier sweep that it starts from are not there any more.
    """
    layout = SweepDirectory(path)
    state = new_state(spec, saved_prior(layout, spec))
    return state, replay_in(layout, read_journal(layout.journal), state)


def replay_in(layout: SweepDirectory, events: Sequence[Mapping[str, Any]], state: SweepState) -> History:
    """Takes a fresh state to where the journal ends.

    Raises:
        JournalError: The replay cannot follow it; the message names the file and the line and says what to do.
    """
    try:
        return replay(events, state)
    except ReplayError as error:
        path, line = event_place(layout.journal, error.event)
        raise JournalError(f"{path}, line {line}: {error} What can be repaired: caviar doctor {layout.path}") from error


def run_in_directory(
    spec: SweepSpec, trainer: Trainer, interrupts: Interrupts, observe: Observer | None = None, *, resumed: bool
) -> StopReason:
    """Runs a sweep until its budget is spent or someone stops it.

    Args:
        spec: The spec.
        trainer: The training code.
        interrupts: Requests to stop.
        observe: Called about twice a second.
        resumed: Whether the directory already holds this sweep.

    Raises:
        SweepError: The directory holds a sweep and `resumed` is false, or it cannot be made, or it is locked, or
            workers cannot be started.
    """
    layout = SweepDirectory(spec.directory)
    _create(layout)
    with SweepLock(layout.lock) as lock, interrupts.listening(), workers_on_demand(spec, trainer) as workers:
        _prepare(layout, spec, resumed=resumed)
        if spec.fuse.size == "auto":
            spec = _measured(layout, spec, workers())
        elif spec.fuse.size > 1 and not resumed:
            _logger.info("%s", fusing_sentence(spec))
        state, history = load_state(layout.path, spec)
        record = _open_record(layout, spec, state, lock)
        try:
            if state.finished:
                record.close(state, StopReason.FINISHED)
                return StopReason.FINISHED
            seconds = inf if spec.budget.hours is None else spec.budget.hours * 3600 - history.seconds
            return SweepLoop(state, workers(), record, interrupts, seconds, observe).run()
        finally:
            record.release()


def _create(layout: SweepDirectory) -> None:
    try:
        layout.create()
    except OSError as error:
        raise SweepError(
            f"storage: the sweep's directory {layout.path} cannot be made ({error.strerror}: {error.filename});"
            " name a folder that can be written."
        ) from error


def _prepare(layout: SweepDirectory, spec: SweepSpec, *, resumed: bool) -> None:
    """Puts the directory in order, as only the process that holds the lock may."""
    if not resumed and _has_decided(layout):
        raise SweepError(
            f"{layout.path} already holds a sweep: go on with it (caviar resume {layout.path}), or choose another name."
        )
    layout.clear_staging()
    layout.stop.unlink(missing_ok=True)
    settle_journal(layout.journal)
    if not resumed:
        layout.clear_results()
        if (warm_start := save_prior(layout, spec)) is not None:
            _logger.info("%s", warm_start)
        write_file(layout.spec, spec.to_yaml().encode(), layout.staging)


def _measured(layout: SweepDirectory, spec: SweepSpec, workers: MeasuringExecutor) -> SweepSpec:
    """The spec with a measured group size, which becomes part of the sweep before its first decision."""
    reason = "together they would not be faster on this device"
    try:
        size = workers.group_size(sample_group(spec))
    except WorkerError as error:
        size, reason = 1, f"how many to fuse could not be measured ({error})"
    spec = with_group_size(spec, size)
    write_file(layout.spec, spec.to_yaml().encode(), layout.staging)
    _logger.info("%s", fusing_sentence(spec, reason))
    return spec


def _has_decided(layout: SweepDirectory) -> bool:
    """Whether a sweep got as far as its first decision: one that did not leaves nothing that a new one would lose."""
    return any(event.get("type") == "decided" for event in read_journal(layout.journal))


def _open_record(layout: SweepDirectory, spec: SweepSpec, state: SweepState, lock: SweepLock) -> DurableRecord:
    """Opens journal and parts for this run; reports that no recorded outcome covers are dropped first."""
    value_types = spec.search_space.value_types
    events = read_journal(layout.journal)
    known = recorded_parts(events)
    check_parts(layout, known)
    check_prior(layout, spec, events)
    if not events and any(mark.rows for mark in marks_to_note(layout, {}, known)):
        raise JournalError(
            f"{layout.journal} is empty, although there are reports in {layout.results}: put it back from a copy, or"
            f" see what can be repaired with caviar doctor {layout.path}"
        )
    recover_checkpoints(layout, state)
    covered = state.covered()
    marks = marks_to_note(layout, covered, known)
    writer = ReportWriter(layout, value_types, spec.metric, spec.mode)
    for row in state.rows:
        writer.register(row.trial, row.config)
    journal = Journal.open(layout.journal, lock.check)
    opened = {"type": "opened", "time": time.time(), "versions": spec.versions}
    opened |= {"spec": layout.spec.read_text(encoding="utf-8"), "parts": [mark.to_json() for mark in marks]}
    journal.append(opened | prior_mark(layout, spec))
    journal.commit()
    drop_uncovered(layout, covered)
    housekeeping = Housekeeping(
        Checkpoints(layout.checkpoints, layout.staging),
        spec.checkpoints.retention,
        spec.mode,
        between=spec.checkpoints.every is not None,
    )
    return DurableRecord(layout, journal, writer, value_types, housekeeping, spec.storage_timeout)
