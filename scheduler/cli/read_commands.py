"""Commands that read a sweep's directory: status, trials, best, importance, report."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..importance import importance as find_importance
from ..results import Best, Results
from ..results.best import kept_checkpoint
from ..results.page import write_page
from ..results.rows import trial_rows
from ..run import load_spec
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
from .options import Address, Directory, Json
from .remote import note_copy, run_there
from .tables import TrialColumns, bracket_view, trials_table

app = typer.Typer()

_GOES_ON = {
    SweepCondition.INTERRUPTED,
    SweepCondition.FAILURE,
    SweepCondition.KILLED,
    SweepCondition.NOT_BEGUN,
}
_TRIALS_SHOWN = 20
_BRACKETS_SHOWN = 20


@app.command()
def status(directory: Directory, address: Address = None, json: Json = False) -> None:
    """Show where a sweep stands."""
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


@app.command()
def trials(
    directory: Directory,
    sort: Annotated[Literal["value", "trial"], typer.Option(help="The best value first, or by number.")] = "value",
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help=f"At most so many; 0 for all. {_TRIALS_SHOWN} if not given, all with --json."
        ),
    ] = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """List the trials of a sweep."""
    run_there(address, directory, "trials", json=json, sort=sort, limit=limit)
    results = Results.open(directory)
    shown = (0 if json else _TRIALS_SHOWN) if limit is None else limit
    rows = trial_rows(results, sort, shown or None)
    if json:
        print_json(rows)
        return
    out = results_console()
    out.print(trials_table(rows, TrialColumns(results.metric, "step", list(results.value_types)), out))
    count = len(results.trials())
    if len(rows) < count:
        note(f"{len(rows):,} of {plural(count, 'trial')}; --limit 0 shows all")


@app.command()
def best(directory: Directory, address: Address = None, json: Json = False) -> None:
    """Print the best configuration."""
    run_there(address, directory, "best", json=json)
    results = Results.open(directory)
    found = results.best
    metrics = results.metrics_at(found.trial, found.step)
    if json:
        print_json(best_as_dict(found, metrics))
        return
    print_best(results_console(), found, results.metric, _unit(directory), metrics)


@app.command()
def importance(
    directory: Directory,
    method: Annotated[
        Literal["model", "fanova", "ped_anova"],
        typer.Option(help="Caviar's model of all rungs, or an evaluator of Optuna's at one rung."),
    ] = "model",
    address: Address = None,
    json: Json = False,
) -> None:
    """Show how much each hyperparameter matters."""
    run_there(address, directory, "importance", json=json, method=method)
    shares = find_importance(directory, method)
    if json:
        print_json(shares)
        return
    results_console().print(importance_view(shares))


@app.command()
def report(
    directory: Directory,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where the page goes; DIR/report.html if not given.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Write a page with the learning curves.

    One HTML file that needs nothing else.
    """
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
