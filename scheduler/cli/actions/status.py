"""The work of the command that shows where a sweep stands: status."""

from dataclasses import asdict
from typing import Any

from ...analysis.status import SweepCondition, SweepStatus, sweep_status
from ...results import Best
from ...results.best import kept_checkpoint
from ...storage import Location
from ..output.brackets import bracket_view
from ..output.console import plural, print_json, results_console, show_count, show_duration, show_path, show_resume
from ..output.summary import insight_as_dict, search_summary_view
from ..output.tables import best_as_dict, print_best
from .remote import note_copy, run_there

_GOES_ON = {
    SweepCondition.INTERRUPTED,
    SweepCondition.FAILURE,
    SweepCondition.KILLED,
    SweepCondition.NOT_BEGUN,
}
_BRACKETS_SHOWN = 20


def status(directory: Location, address: str | None, *, json: bool) -> None:
    """Prints where a sweep stands; with the address of a cluster, one there."""
    run_there(address, directory, "status", json=json)
    note_copy(directory)
    found = sweep_status(directory)
    if json:
        print_json(_status_as_dict(found))
        return
    out, progress, spec = results_console(), found.progress, found.spec
    condition = found.condition.value.replace("_", " ")
    out.print(f"{spec.name}: {condition}" + (f", by {found.holder}" if found.holder else ""), style="bold")
    states = ", ".join(f"{count:,} {state}" for state, count in progress.states.items())
    out.print(f"trials    {show_count(progress.trials, progress.planned_trials)}" + (f": {states}" if states else ""))
    out.print(f"{spec.resource.unit + 's':<10}{show_count(progress.resource, progress.planned_resource)}")
    out.print(f"time      {show_duration(found.seconds)} in {plural(found.runs, 'run')}")
    if progress.brackets:
        out.print()
        out.print(bracket_view(progress, spec.resource.unit, _BRACKETS_SHOWN))
    out.print()
    out.print(search_summary_view(found.summary, found.warnings))
    out.print()
    if found.best is None:
        out.print(f"no trial has reached a rung yet; its prints are in {show_path(directory / 'logs')}")
    else:
        print_best(out, _best_of(found), spec.metric, spec.resource.unit)
    if found.condition in _GOES_ON:
        out.print(f"\ngo on:  {show_resume(directory)}")


def _best_of(found: SweepStatus) -> Best:
    row = found.best
    assert row is not None, "asked only of a sweep with a best trial"
    assert row.best_value is not None, "the best trial has a value"
    assert row.best_step is not None, "the best trial has a step"
    checkpoint = kept_checkpoint(found.directory, row.trial, row.best_step)
    return Best(row.trial, row.config, row.best_value, row.best_step, checkpoint)


def _status_as_dict(found: SweepStatus) -> dict[str, Any]:
    spec = found.spec
    return {
        "name": spec.name,
        "directory": str(found.directory),
        "condition": found.condition.value,
        "holder": found.holder and asdict(found.holder),
        "runs": found.runs,
        "seconds": found.seconds,
        "metric": spec.metric,
        "mode": spec.mode,
        "unit": spec.resource.unit,
        "progress": asdict(found.progress),
        "best": None if found.best is None else best_as_dict(_best_of(found), None),
        "looking": found.summary.looking,
        "insight": insight_as_dict(found.summary),
        "warnings": found.warnings,
    }
