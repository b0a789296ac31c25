"""Running a sweep in its directory: take the lock, replay what happened, train what is left."""

import logging
from dataclasses import replace
from math import inf

from ..trainers import Trainer
from .core.controllers import make_controller
from .core.observations import Observations
from .core.state import SweepState
from .edits import Reviser, check_edits, edited_event, edits_between, first_spec, last_spec
from .errors import JournalError, ReplayError, SweepError, WorkerError
from .execution.executor import MeasuringExecutor
from .execution.interrupts import Interrupts
from .execution.loop import Observer, StopReason, SweepLoop
from .execution.replay import Events, History, replay
from .fusing import fusing_sentence, sample_group, with_group_size
from .opening import Opening, open_record, recover
from .preflight import check_nodes
from .spec import SweepSpec
from .storage import (
    Location,
    SettledJournal,
    SweepDirectory,
    SweepLock,
    event_place,
    read_journal,
    settle_journal,
    write_file,
)
from .warm_start import save_prior, saved_prior
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


def ran_spec(path: Location) -> SweepSpec:
    """The spec that a sweep's last run had; sweep.yaml differs from it where somebody has edited it since.

    Raises:
        SweepError: There is no sweep.
        JournalError: The journal cannot be trusted.
    """
    written = load_spec(path)
    return last_spec(read_journal(SweepDirectory(path).journal)) or written


def load_state(path: Location, spec: SweepSpec) -> tuple[SweepState, History]:
    """The state that a sweep's journal leads to; reads only.

    Args:
        path: The sweep's directory.
        spec: Its spec, where the journal does not tell with which one it began.

    Raises:
        JournalError: The journal cannot be trusted.
        ResultsError: The results of the earlier sweep that it starts from are not there any more.
    """
    state, history, _ = replay_in(SweepDirectory(path), read_journal(SweepDirectory(path).journal), spec)
    return state, history


def replay_in(layout: SweepDirectory, events: Events, spec: SweepSpec) -> tuple[SweepState, History, Reviser]:
    """What `replayed` says.

    Raises:
        JournalError: The replay cannot follow the journal; the message names the file and the line and what to do.
    """
    try:
        return replayed(layout, events, spec)
    except ReplayError as error:
        path, line = event_place(layout.journal, error.event)
        raise JournalError(f"{path}, line {line}: {error} What can be repaired: caviar doctor {layout.path}") from error


def replayed(layout: SweepDirectory, events: Events, spec: SweepSpec) -> tuple[SweepState, History, Reviser]:
    """The state that a journal leads to, and what has it go on with an edited spec; reads only.

    Args:
        layout: The sweep's directory.
        events: Its journal.
        spec: Its spec, where the journal does not tell with which one it began.

    Raises:
        ReplayError: The replay cannot follow the journal.
    """
    first = first_spec(events) or spec
    state = new_state(first, saved_prior(layout, first))
    revise = Reviser(state, first, layout)
    return state, replay(events, state, revise), revise


def run_in_directory(
    spec: SweepSpec,
    trainer: Trainer,
    interrupts: Interrupts,
    observe: Observer | None = None,
    *,
    resumed: bool,
    preflight: bool = True,
) -> StopReason:
    """Runs a sweep until its budget is spent or someone stops it.

    Args:
        spec: The spec.
        trainer: The training code.
        interrupts: Requests to stop.
        observe: Called about twice a second.
        resumed: Whether the directory already holds this sweep.
        preflight: Whether to look at the nodes of a cluster before the first trial.

    Raises:
        SweepError: The directory holds a sweep and `resumed` is false, or it cannot be made, or it is locked, or
            workers cannot be started.
    """
    layout = SweepDirectory(spec.directory)
    _create(layout)
    check = check_nodes if preflight else None
    with SweepLock(layout.lock) as lock, interrupts.listening(), workers_on_demand(spec, trainer, check) as workers:
        settled = _prepare(layout, spec, resumed=resumed)
        events = settled.events
        ran = (last_spec(events) or load_spec(layout.path)) if events else None
        if ran is not None:
            check_edits(ran, spec, layout)
        if spec.fuse.size == "auto":
            spec = _measured(layout, spec, workers())
        elif spec.fuse.size > 1 and not resumed:
            _logger.info("%s", fusing_sentence(spec))
        state, history, revise = replay_in(layout, events, ran or spec)
        found = recover(layout, ran or spec, settled, state)
        edited = None if ran is None or not edits_between(ran, spec) else edited_event(ran, spec, state, layout)
        if edited is not None:
            revise(edited)
        record = open_record(layout, spec, state, Opening(ran or spec, found, edited, lock))
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


def _prepare(layout: SweepDirectory, spec: SweepSpec, *, resumed: bool) -> SettledJournal:
    """Puts the directory in order, as only the process that holds the lock may; its journal."""
    if not resumed and _has_decided(layout):
        raise SweepError(
            f"{layout.path} already holds a sweep: go on with it (caviar resume {layout.path}), or choose another name."
        )
    layout.clear_staging()
    layout.stop.unlink(missing_ok=True)
    if resumed:
        return settle_journal(layout.journal)
    layout.clear_results()
    if (warm_start := save_prior(layout, spec)) is not None:
        _logger.info("%s", warm_start)
    write_file(layout.spec, spec.to_yaml().encode(), layout.staging)
    return SettledJournal()


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
