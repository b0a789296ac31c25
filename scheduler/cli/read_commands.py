"""The work of the commands that read a sweep's directory: status, trials, best, importance, report."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import typer

from ..importance import importance as find_importance
from ..recorded import load_spec
from ..results import Best, Results
from ..results.best import kept_checkpoint
from ..results.page import write_page
from ..results.rows import trial_rows
from ..status import SweepCondition, SweepStatus, sweep_status
from ..storage import Location
from .best import best_as_dict, print_best
from .console import (
    note,
    plural,
    print_json,
    results_console,
    show_count,
    show_duration,
    show_path,
    show_resume,
)
from .lessons import importance_view, lessons_as_dict, lessons_view
from .options import TRIALS_SHOWN
from .remote import note_copy, run_there
from .tables import TrialColumns, bracket_view, trials_table

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
    out.print(lessons_view(found.lessons, found.warnings))
    out.print()
    if found.best is None:
        out.print(f"no trial has reached a rung yet; its prints are in {show_path(directory / 'logs')}")
    else:
        print_best(out, _best_of(found), spec.metric, spec.resource.unit)
    if found.condition in _GOES_ON:
        out.print(f"\ngo on:  {show_resume(directory)}")


def trials(
    directory: Location, sort: Literal["value", "trial"], limit: int | None, address: str | None, *, json: bool
) -> None:
    """Prints the trials of a sweep.

    Args:
        directory: The sweep's directory.
        sort: By the best value, or by number.
        limit: At most so many; 0 for all, None for as many as a person reads.
        address: The cluster that it is on, if it is on one.
        json: Whether to print JSON.
    """
    run_there(address, directory, "trials", json=json, sort=sort, limit=limit)
    results = Results.open(directory)
    shown = (0 if json else TRIALS_SHOWN) if limit is None else limit
    rows = trial_rows(results, sort, shown or None)
    if json:
        print_json(rows)
        return
    out = results_console()
    out.print(trials_table(rows, TrialColumns(results.metric, "step", list(results.value_types)), out))
    count = len(results.trials())
    if len(rows) < count:
        note(f"{len(rows):,} of {plural(count, 'trial')}; --limit 0 shows all")


def best(directory: Location, address: str | None, *, json: bool) -> None:
    """Prints the best configuration."""
    run_there(address, directory, "best", json=json)
    results = Results.open(directory)
    found = results.best
    metrics = results.metrics_at(found.trial, found.step)
    if json:
        print_json(best_as_dict(found, metrics))
        return
    print_best(results_console(), found, results.metric, _unit(directory), metrics)


def importance(
    directory: Location, method: Literal["model", "fanova", "ped_anova"], address: str | None, *, json: bool
) -> None:
    """Prints how much each hyperparameter matters."""
    run_there(address, directory, "importance", json=json, method=method)
    shares = find_importance(directory, method)
    if json:
        print_json(shares)
        return
    results_console().print(importance_view(shares))


def report(directory: Location, output: Path | None, *, json: bool) -> None:
    """Writes a page with the learning curves; into the sweep's directory if no file is named."""
    page = output or directory / "report.html"
    write_page(Results.open(directory), page)
    if json:
        print_json({"page": str(page)})
        return
    typer.echo(f"wrote {show_path(page)}")


def _unit(directory: Location) -> str:
    """What a step is called; a copy of the results alone does not say."""
    return load_spec(directory).resource.unit if (directory / "sweep.yaml").is_file() else "step"


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
        "looking": found.lessons.looking,
        "insight": lessons_as_dict(found.lessons),
        "warnings": found.warnings,
    }
