"""The work of the commands that read a sweep's results: trials, best, importance, report."""

from pathlib import Path
from typing import Literal

import typer

from ...results import Results
from ...results.rows import trial_rows
from ...storage import Location, SweepDirectory
from ..input.options import TRIALS_SHOWN
from ..output.console import note, plural, print_json, results_console, show_path
from ..output.tables import TrialColumns, best_as_dict, print_best, trials_table
from .remote import run_there

_STEP = "step"


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
    out.print(trials_table(rows, TrialColumns(results.metric, _STEP, list(results.value_types)), out))
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
    from ...analysis.importance import importance as shares_of  # noqa: PLC0415 the other commands need no model
    from ..output.summary import importance_view  # noqa: PLC0415

    shares = shares_of(directory, method)
    if json:
        print_json(shares)
        return
    results_console().print(importance_view(shares))


def report(directory: Location, output: Path | None, *, json: bool) -> None:
    """Writes a page with the learning curves; into the sweep's directory if no file is named."""
    from ...analysis.page.page import write_page  # noqa: PLC0415 the other commands need no page

    page = output or directory / "report.html"
    write_page(Results.open(directory), page)
    if json:
        print_json({"page": str(page)})
        return
    typer.echo(f"wrote {show_path(page)}")


def _unit(directory: Location) -> str:
    """The name of a step, such as "epoch"; "step" in a copy of the results alone, which has no spec.

    Nothing else is read of the spec: the results stay as they are, whatever it says by now.
    """
    from ....search_spaces.strict_yaml import load_yaml  # noqa: PLC0415 the other commands need no YAML

    spec = SweepDirectory(directory).spec
    fields = load_yaml(spec.read_text(encoding="utf-8"), str(spec)) if spec.is_file() else None
    resource = fields.get("resource") if isinstance(fields, dict) else None
    return str(resource.get("unit", _STEP)) if isinstance(resource, dict) else _STEP
