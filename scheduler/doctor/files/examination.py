"""Examining a sweep's directory: stage by stage, each on what the stages before it found in order. Reads only."""

from collections.abc import Generator, Iterator, Sequence
from functools import partial

from ...core.state import SweepState
from ...errors import ReplayError, SweepError
from ...finding import Severity
from ...lifecycle.recorded import RecordedSweep
from ...lifecycle.replay import Events
from ...results.part_marks import recorded_parts
from ...results.schema import Header
from ...spec.spec import SweepSpec
from ...spec.versions import installed_versions
from ...storage import Holder, Location, SweepDirectory, holder, locate
from .checkpoints_stage import checkpoints_findings
from .diagnosis import Diagnosis, Finding
from .journal_stage import ScannedJournal, journal_findings, scan_journal
from .parts_stage import ScannedParts, parts_findings, scan_parts
from .rows_stage import rows_findings
from .salvage import Salvage
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
    layout = _layout(locate(path))
    running = holder(layout.lock) if layout.lock.exists() else None
    return Diagnosis(layout.path, running, [finding for stage in stages(layout, running) for finding in stage])


def stages(layout: SweepDirectory, running: Holder | None) -> Iterator[Sequence[Finding]]:
    """The findings of one stage after the other; a stage is left out where an earlier one leaves it nothing to go by.

    Args:
        layout: The sweep's directory.
        running: The process that runs the sweep, if one does.
    """
    _layout(layout.path)
    is_running = running is not None
    yield list(surroundings_findings(layout, running))
    journal = scan_journal(layout.journal)
    yield list(journal_findings(layout, journal, running=is_running))
    spec = read_spec(layout)
    of_spec = list(spec_findings(layout, spec, journal.events))
    yield of_spec
    state: SweepState | None = None
    if isinstance(spec, SweepSpec) and all(finding.severity is not Severity.BROKEN for finding in of_spec):
        prior = [] if spec.warm_start is None else list(prior_findings(layout, spec, journal.events))
        yield prior
        if not prior:
            state = yield from _by_the_journal(layout, spec, journal, running=is_running)
    yield list(checkpoints_findings(layout, state, running=is_running))


def _by_the_journal(
    layout: SweepDirectory, spec: SweepSpec, journal: ScannedJournal, *, running: bool
) -> Generator[Sequence[Finding], None, SweepState | None]:
    """The stages that compare files with what the journal's replay leads to; returns that state."""
    try:
        recorded = RecordedSweep(layout, events=journal.events, written=spec)
        spec, state, history = recorded.spec, recorded.replay(), recorded.history
        marks = recorded_parts(journal.events)
    except ReplayError as error:
        yield [_disagreement(layout, spec, journal, error)]
        return None
    if journal.events and journal.events[-1]["type"] == "rewriting":
        yield [_cut_off_edit(layout)]
        return state
    types = recorded.value_types
    found = scan_parts(layout, Header.of(spec.metric, spec.mode, types), marks)
    yield [*_lost_journal(journal, found), *parts_findings(found)]
    if not any(found.copies(number) for number in found.bad):
        yield rows_findings(found, journal, state, partial(_state_after, layout, recorded.first))
    if not running:
        yield list(tables_findings(layout, types, state, history))
    return state


def _state_after(layout: SweepDirectory, first: SweepSpec, events: Events) -> SweepState:
    """The state that the beginning of a journal leads to."""
    return RecordedSweep(layout, events=events, written=first).replay()


def _layout(path: Location) -> SweepDirectory:
    layout = SweepDirectory(path)
    if not layout.spec.exists() and not layout.journal.is_dir():
        raise SweepError(f"{layout.path}: there is no sweep here; a sweep's directory holds a sweep.yaml.")
    return layout


def _disagreement(layout: SweepDirectory, spec: SweepSpec, journal: ScannedJournal, error: ReplayError) -> Finding:
    """The finding of a journal that cannot be followed with this spec."""
    path, line = journal.place(error.event)

    def cut(salvage: Salvage) -> str:
        return journal.cut(error.event, salvage)

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
        remedy=cut if same and known else None,
    )


def _cut_off_edit(layout: SweepDirectory) -> Finding:
    return Finding(
        Severity.NOTE,
        layout.results,
        "is being given the columns of an edited spec, and the run that did so was killed",
        "the next resume goes on with it",
    )


def _lost_journal(journal: ScannedJournal, found: ScannedParts) -> Iterator[Finding]:
    """The finding of reports without any journal, which a resume would drop."""
    rows = sum(len(part.trial) for part in found.good.values())
    if journal.events or not rows:
        return

    def set_aside(salvage: Salvage) -> str:
        for part in found.good.values():
            salvage.move(part.path)
        return "moved the reports away, with which nothing can be done without the journal"

    meaning = f"nothing of the sweep is known but {rows:,} reports: all of it is done again"
    yield Finding(Severity.BROKEN, journal.directory, "has no events", meaning, remedy=set_aside)
