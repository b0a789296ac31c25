"""Opening a sweep's directory for a run: files are checked, uncovered reports are dropped, the journal begins."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.state import SweepState
from ..errors import JournalError
from ..execution.callbacks import Callback, Callbacks, RunStart
from ..execution.checkpoint_cleanup import CheckpointCleanup
from ..execution.record import DurableRecord
from ..results import (
    ReportWriter,
    drop_uncovered,
    find_parts,
    marks_to_note,
    recorded_parts,
    reported_through,
    write_trials,
)
from ..results.found_parts import FoundPart
from ..results.migration import merged_types, migrate_reports
from ..results.part_marks import PartMark
from ..spec.spec import SweepSpec
from ..storage import Checkpoints, Journal, SweepDirectory, SweepLock, write_file
from .prior import check_prior, prior_mark
from .recorded import RecordedSweep


def recover_checkpoints(directory: SweepDirectory, parts: Sequence[FoundPart], state: SweepState) -> None:
    """Lets work that was cut off go on between two rungs where it can; later checkpoints are deleted.

    It can go on from the newest checkpoint before which none of its reports is missing: all later steps are trained and
    reported again. Checkpoints that the journal does not cover are then no part of the sweep, and another decision
    might give the same number to another configuration.

    Args:
        directory: The sweep's directory; only for the process that holds the lock.
        parts: Its report parts.
        state: The state that the journal leads to.
    """
    checkpoints = Checkpoints.of(directory)
    covered = state.covered()
    later = {
        work.trial: covered[work.trial]
        for work in state.queued
        if any(step > covered[work.trial] for step in checkpoints.steps(work.trial))
    }
    for trial, step in reported_through(parts, later).items():
        found = checkpoints.newest(trial, step)
        if found is None:
            continue
        found.release()
        if found.step > later[trial]:
            state.go_on(trial, found.step)
    covered = state.covered()
    for trial in checkpoints.trials():
        for step in checkpoints.steps(trial):
            if step > covered.get(trial, 0):
                checkpoints.delete(trial, step)


@dataclass(frozen=True, slots=True)
class RecoveredFiles:
    """The files that a run finds to go on from.

    Attributes:
        runs: Number of runs that the journal has.
        parts: The report parts.
        marks: The marks that the journal is to note of them before reports that no outcome covers are dropped.
    """

    runs: int
    parts: Sequence[FoundPart]
    marks: Sequence[PartMark]


def recover(recorded: RecordedSweep, state: SweepState) -> RecoveredFiles:
    """Checks that the files are those that the journal knows, and returns those to go on from."""
    directory, events = recorded.directory, recorded.events
    known = recorded_parts(events)
    parts = find_parts(directory, known)
    check_prior(directory, recorded.spec, events)
    if not events and any(part.mark.rows for part in parts):
        raise JournalError(
            f"{directory.journal} is empty, although there are reports in {directory.results}: put it back from a copy,"
            f" or see what can be repaired with caviar doctor {directory.path}"
        )
    recover_checkpoints(directory, parts, state)
    return RecoveredFiles(recorded.runs, parts, marks_to_note(parts, state.covered(), known))


@dataclass(frozen=True, slots=True)
class RunHeader:
    """Contents of a run's first lines in the journal.

    Attributes:
        began: The spec that the sweep had before this run.
        found: The files to go on from.
        edited: The event of an edited spec, if it was.
        lock: The sweep's lock, which this process holds.
        callbacks: The listeners to durable events.
    """

    began: SweepSpec
    found: RecoveredFiles
    edited: Mapping[str, Any] | None
    lock: SweepLock
    callbacks: Sequence[Callback] = ()


def open_record(directory: SweepDirectory, spec: SweepSpec, state: SweepState, header: RunHeader) -> DurableRecord:
    """Opens journal and parts for this run; reports that no recorded outcome covers are dropped first."""
    value_types = merged_types(directory, spec.search_space.value_types)
    found = header.found
    journal = Journal.open(directory.journal, header.lock.check, found.runs)
    opened = {"type": "opened", "time": time.time(), "versions": spec.versions, "spec": header.began.to_yaml()}
    opened |= {"parts": [mark.to_json() for mark in found.marks]}
    journal.append(opened | prior_mark(directory, header.began))
    journal.commit()
    drop_uncovered(directory, found.parts, state.covered())
    if header.edited is not None:
        write_file(directory.spec, spec.to_yaml().encode(), directory.staging)
        write_trials(directory.trials, state.rows, value_types, directory.staging)
    migrate_reports(directory, found.parts, value_types, (spec.metric, spec.mode), state.rows, _noting(journal))
    if header.edited is not None:
        # Last: a crash before this line leaves an edit of sweep.yaml half done, and the next run finds that.
        journal.append({**header.edited, "time": time.time()})
        journal.commit()
    run = RunStart(directory.path, spec.model_dump(mode="json"), resumed=bool(found.runs))
    return DurableRecord(
        directory,
        journal,
        _writer(directory, spec, state, value_types),
        value_types,
        _cleanup(directory, spec),
        spec.storage_timeout,
        callbacks=Callbacks(header.callbacks, run),
    )


def _noting(journal: Journal) -> Callable[[Sequence[PartMark]], None]:
    def note(marks: Sequence[PartMark]) -> None:
        journal.append({"type": "rewriting", "parts": [mark.to_json() for mark in marks]})
        journal.commit()

    return note


def _writer(
    directory: SweepDirectory, spec: SweepSpec, state: SweepState, value_types: Mapping[str, str]
) -> ReportWriter:
    writer = ReportWriter(directory, value_types, spec.metric, spec.mode)
    for row in state.rows:
        writer.register(row.trial, row.config)
    return writer


def _cleanup(directory: SweepDirectory, spec: SweepSpec) -> CheckpointCleanup:
    between = spec.checkpoints.every is not None
    return CheckpointCleanup(Checkpoints.of(directory), spec.checkpoints.retention, spec.mode, between=between)
