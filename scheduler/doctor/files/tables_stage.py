"""trials.parquet and regions.parquet against the journal's replay, from which they can be made anew."""

from collections.abc import Callable, Iterator, Mapping

from ...core.state import SweepState
from ...finding import Severity
from ...lifecycle.replay import History
from ...results import write_regions, write_trials
from ...storage import Location, SweepDirectory
from .diagnosis import Finding
from .inspection import regions_fault, steps_in_trials, trials_fault
from .quarantine import Quarantine


def tables_findings(
    directory: SweepDirectory, types: Mapping[str, str], state: SweepState, history: History
) -> Iterator[Finding]:
    """The findings on the two tables; only where no process runs the sweep, which replaces them."""

    def make_trials() -> None:
        write_trials(directory.trials, state.rows, types, directory.staging)

    def make_regions() -> None:
        write_regions(directory.regions, state.insights, directory.staging)

    if (fault := trials_fault(directory.trials, state.rows, types)) is not None:
        ahead = steps_in_trials(directory.trials) > sum(row.step for row in state.rows)
        if ahead:
            fault = "knows more than the journal, which must have lost its end: that work is done again"
        yield _table(directory.trials, fault, make_trials, closed=history.reason is not None or ahead)
    if (fault := regions_fault(directory.regions, state.insights)) is not None:
        yield _table(directory.regions, fault, make_regions, closed=history.reason is not None)


def _table(path: Location, fault: str, make: Callable[[], None], *, closed: bool) -> Finding:
    def rebuild(quarantine: Quarantine) -> str:
        quarantine.keep(path)
        make()
        return f"made {path.name} anew from the journal"

    # A run replaces the tables each ten seconds and at its end: one that was killed leaves older ones.
    if not closed and fault.startswith(("is missing", "does not say")):
        meaning = "the last run was killed before it could replace it"
        return Finding(Severity.NOTE, path, fault, f"{meaning}; the next resume does")
    return Finding(Severity.BROKEN, path, fault, "what is read from it is wrong or missing", fix=rebuild)
