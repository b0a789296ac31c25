"""Examining a sweep's directory: stage by stage, each on files that earlier stages found in order. Reads only."""

from collections.abc import Generator, Iterator, Sequence
from functools import partial

from ...core.state import SweepState
from ...errors import ReplayError, SweepError
from ...finding import Severity
from ...lifecycle.recorded import RecordedSweep
from ...lifecycle.replay import Events
from ...results.part_marks import recorded_parts
from ...results.schema import SweepMetadata
from ...spec.spec import SweepSpec
from ...spec.versions import installed_versions
from ...storage import Holder, Location, SweepDirectory, holder, locate
from .checkpoints_stage import checkpoints_findings
from .diagnosis import Diagnosis, Finding
from .journal_stage import ScannedJournal, journal_findings, scan_journal
from .parts_stage import ScannedParts, parts_findings, scan_parts
from .quarantine import Quarantine
from .rows_stage import rows_findings
from .spec_stage import prior_findings, read_spec, spec_findings
from .surroundings import surroundings_findings
from .tables_stage import tables_findings


def examine(path: str | Location) -> Diagnosis:
    """Examines a sweep's directory; runs nothing, imports no training code, changes nothing.

    Args:
        path: The sweep's directory, or its URI.

    Raises:
        SweepError: There is no sweep.
    """
    directory = _sweep_directory(locate(path))
    running = holder(directory.lock) if directory.lock.exists() else None
    return Diagnosis(directory.path, running, [finding for stage in stages(directory, running) for finding in stage])


def stages(directory: SweepDirectory, running: Holder | None) -> Iterator[Sequence[Finding]]:
    """The findings of one stage after the other; a stage is left out where earlier ones leave it nothing to go by.

    Args:
        directory: The sweep's directory.
        running: The process that runs the sweep, if one does.
    """
    _sweep_directory(directory.path)
    is_running = running is not None
    yield list(surroundings_findings(directory, running))
    journal = scan_journal(directory.journal)
    yield list(journal_findings(directory, journal, running=is_running))
    spec = read_spec(directory)
    of_spec = list(spec_findings(directory, spec, journal.events))
    yield of_spec
    state: SweepState | None = None
    if isinstance(spec, SweepSpec) and all(finding.severity is not Severity.BROKEN for finding in of_spec):
        recorded = RecordedSweep(directory, events=journal.events, written=spec)
        # The earlier results were taken for the spec that the sweep began with, whatever was edited since.
        prior = [] if spec.warm_start is None else list(prior_findings(directory, recorded.first, journal.events))
        yield prior
        if not prior:
            state = yield from _by_the_journal(recorded, spec, journal, running=is_running)
    yield list(checkpoints_findings(directory, state, running=is_running))


def _by_the_journal(
    recorded: RecordedSweep, spec: SweepSpec, journal: ScannedJournal, *, running: bool
) -> Generator[Sequence[Finding], None, SweepState | None]:
    """The stages that compare files with what the journal's replay leads to; returns that state."""
    directory = recorded.directory
    try:
        spec, state, history = recorded.spec, recorded.replay(), recorded.history
        marks = recorded_parts(journal.events)
    except ReplayError as error:
        yield [_disagreement(directory, spec, journal, error)]
        return None
    if journal.events and journal.events[-1]["type"] == "rewriting":
        yield [_cut_off_edit(directory)]
        return state
    types = recorded.value_types
    found = scan_parts(directory, SweepMetadata.of(spec.metric, spec.mode, types), marks)
    yield [*_lost_journal(journal, found), *parts_findings(found)]
    if not any(found.copies(number) for number in found.bad):
        yield rows_findings(found, journal, state, partial(_state_after, directory, recorded.first))
    if not running:
        yield list(tables_findings(directory, types, state, history))
    return state


def _state_after(directory: SweepDirectory, first: SweepSpec, events: Events) -> SweepState:
    """The state that the beginning of a journal leads to."""
    return RecordedSweep(directory, events=events, written=first).replay()


def _sweep_directory(path: Location) -> SweepDirectory:
    directory = SweepDirectory(path)
    if not directory.spec.exists() and not directory.journal.is_dir():
        raise SweepError(f"{directory.path}: there is no sweep here; a sweep's directory holds a sweep.yaml.")
    return directory


def _disagreement(directory: SweepDirectory, spec: SweepSpec, journal: ScannedJournal, error: ReplayError) -> Finding:
    """The finding of a journal that cannot be followed with this spec."""
    path, line = journal.place(error.event)

    def cut(quarantine: Quarantine) -> str:
        return journal.cut(error.event, quarantine)

    # Another version may decide something else by right: its journal is in order.
    same = all(installed_versions().get(name) == version for name, version in spec.versions.items())
    known = "which this version does not know" not in str(error)
    return Finding(
        Severity.BROKEN,
        path,
        str(error).rstrip("."),
        "what this line and all later ones record cannot be followed: that work would be done again",
        "go on with the versions that wrote it (see sweep.yaml)",
        line=line,
        fix=cut if same and known else None,
    )


def _cut_off_edit(directory: SweepDirectory) -> Finding:
    return Finding(
        Severity.NOTE,
        directory.results,
        "is being given the columns of an edited spec, and the run that did so was killed",
        "the next resume goes on with it",
    )


def _lost_journal(journal: ScannedJournal, found: ScannedParts) -> Iterator[Finding]:
    """The finding of reports without any journal, which a resume would drop."""
    rows = sum(len(part.trial) for part in found.good.values())
    if journal.events or not rows:
        return

    def set_aside(quarantine: Quarantine) -> str:
        for part in found.good.values():
            quarantine.move(part.path)
        return "moved the reports away, with which nothing can be done without the journal"

    meaning = f"nothing of the sweep is known but {rows:,} reports: all of it is done again"
    yield Finding(Severity.BROKEN, journal.directory, "has no events", meaning, fix=set_aside)
