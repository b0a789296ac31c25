"""Commands that run a sweep or stop one: run, resume, stop."""

import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.schedule import BracketPlan
from ..core.trial import TrialState
from ..errors import SweepStoppedError
from ..execution.loop import StopReason
from ..jobs.client import JobsClient
from ..jobs.sweeps import stop_before_it_begins, stop_sweep_there
from ..lessons import results_warnings
from ..results import Results
from ..resuming import edited_fields
from ..stopping import stop_sweep
from ..storage import Location, SweepDirectory
from ..sweep import Sweep
from ..validation import validate_spec
from .best import best_as_dict, print_best
from .cluster_commands import RemoteEdits, resume_there
from .console import note, plural, print_json, results_console, show_command, show_path, show_resume, show_value
from .exit_codes import ExitCode, fail
from .options import (
    Address,
    Directory,
    Json,
    Name,
    NoPreflight,
    Requirements,
    Settings,
    SpecFile,
    Workers,
    parse_settings,
)
from .preview import edit_words, print_preview
from .progress import RunProgress
from .remote import end_as, note_copy, options_of

app = typer.Typer()


@app.command()
def run(  # noqa: PLR0913 PLR0917 typer takes each option as an argument
    spec_file: SpecFile,
    settings: Settings = None,
    workers: Workers = None,
    name: Name = None,
    storage: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="The folder or URI in which the sweep's directory lies.", show_default=False),
    ] = None,
    no_preflight: NoPreflight = False,
    json: Json = False,
) -> None:
    """Run a sweep to its end and print the best configuration."""
    values = parse_settings(settings, name=name, storage=storage, workers_count=workers)
    # What a person's code prints when it is imported is no result.
    with redirect_stdout(sys.stderr):
        sweep = Sweep.from_spec(validate_spec(spec_file, values), spec_file.parent)
    _run(sweep, preflight=not no_preflight, json=json)


@app.command()
def resume(  # noqa: PLR0913 PLR0917 typer takes each option as an argument
    directory: Directory,
    settings: Settings = None,
    spec_file: Annotated[
        Path | None,
        typer.Option("--spec", metavar="FILE", help="A spec that takes the place of the sweep's.", show_default=False),
    ] = None,
    workers: Workers = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and change nothing.")] = False,
    address: Address = None,
    code: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="With --address: the folder with the training code; as it was submitted if not given.",
            show_default=False,
        ),
    ] = None,
    requirements: Requirements = None,
    follows: Annotated[
        bool, typer.Option("--follow", help="With --address: print what it prints, to its end.")
    ] = False,
    no_preflight: NoPreflight = False,
    json: Json = False,
) -> None:
    """Go on with a sweep, with its spec as it is or edited.

    What --set, --spec or an editor changed in sweep.yaml holds from now on.
    """
    if address is not None:
        edits = RemoteEdits(parse_settings(settings, workers_count=workers), spec_file, code, requirements)
        resume_there(address, str(directory), edits, dry_run=dry_run, follows=follows, json=json)
        return
    note_copy(directory)
    with redirect_stdout(sys.stderr):
        values = parse_settings(settings, workers_count=workers)
        sweep = Sweep.resume(directory, **edited_fields(directory, values, spec_file))
    preview = sweep.preview()
    if dry_run:
        print_preview(sweep.spec, preview, json=json)
        return
    for edit in preview.edits:
        note(f"edited: {edit_words(edit)}")
    _run(sweep, earlier_s=preview.earlier_s, schedule=preview.planned, preflight=not no_preflight, json=json)


@app.command()
def stop(
    directory: Directory,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="S", min=0, help="Seconds to wait; as long as it takes if not given.", show_default=False),
    ] = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """Stop a sweep that runs.

    Waits until the steps that are being trained have ended; `caviar resume` goes on.
    """
    if address is not None:
        _stop_there(JobsClient(address), str(directory), timeout, json=json)
        return
    stopped = stop_sweep(directory, timeout)
    _print_stopped(None if stopped is None else str(stopped), json=json)


def _stop_there(client: JobsClient, sweep: str, timeout: float | None, *, json: bool) -> None:
    if stop_before_it_begins(client, sweep):
        _print_stopped("before it began", json=json)
        return
    end_as(stop_sweep_there(client, sweep, options_of("stop", json=json, timeout=timeout)[1:]))


def _print_stopped(what: str | None, *, json: bool) -> None:
    if json:
        print_json({"stopped": what is not None})
        return
    typer.echo("no process is running this sweep" if what is None else f"stopped: {what}")


def _run(
    sweep: Sweep,
    *,
    earlier_s: float = 0.0,
    schedule: Iterator[BracketPlan] | None = None,
    preflight: bool,
    json: bool,
) -> None:
    try:
        with redirect_stdout(sys.stderr), RunProgress(sweep.spec, earlier_s, schedule) as progress:
            results = sweep.run(progress, preflight=preflight)
    except (KeyboardInterrupt, SystemExit, SweepStoppedError):
        _say_how_to_go_on(sweep)
        raise
    progress.tell_end()
    if sweep.stop_reason is StopReason.INTERRUPTED:
        _say_how_to_go_on(sweep)
        raise typer.Exit(ExitCode.INTERRUPTED)
    _check_success(results, sweep.directory)
    for warning in results_warnings(sweep.spec.search_space, results):
        note(f"warning: {show_value(warning)}")
    if json:
        print_json(_outcome(sweep, results))
    else:
        _print_outcome(sweep, results)


def _say_how_to_go_on(sweep: Sweep) -> None:
    if SweepDirectory(sweep.directory).spec.exists():
        note(f"stopped; go on with: {show_resume(sweep.directory)}")


def _check_success(results: Results, directory: Location) -> None:
    """Says which trials failed, and ends the program as failed if no trial has a result."""
    trials = results.trials()
    states = trials["state"].to_pylist()
    counts = {state.value: states.count(state.value) for state in (TrialState.FAILED, TrialState.DIVERGED)}
    bad = " and ".join(f"{count:,} {state}" for state, count in counts.items() if count) or "none reached a rung"
    errors = [error.strip().splitlines()[-1] for error in trials["error"].to_pylist() if error and error.strip()]
    reason = "".join(
        f"; the first said {show_value(error.rstrip('.'))}; see {_logs(directory)}" for error in errors[:1]
    )
    if trials["best_value"].null_count == len(trials):
        fail(f"no trial of {len(trials):,} succeeded: {bad}{reason}", ExitCode.FAILED)
    if counts[TrialState.FAILED.value]:
        note(f"warning: of {plural(len(trials), 'trial')} {bad}{reason}")


def _logs(directory: Location) -> str:
    return show_path(SweepDirectory(directory).logs)


def _outcome(sweep: Sweep, results: Results) -> dict[str, Any]:
    best, reason = results.best, sweep.stop_reason
    trials = results.trials()
    return {
        "directory": str(sweep.directory),
        "reason": None if reason is None else reason.value,
        "trials": len(trials),
        "metric": results.metric,
        "unit": sweep.spec.resource.unit,
        "best": best_as_dict(best, results.metrics_at(best.trial, best.step)),
        "warnings": results_warnings(sweep.spec.search_space, results),
    }


def _print_outcome(sweep: Sweep, results: Results) -> None:
    out, best, layout = results_console(), results.best, SweepDirectory(sweep.directory)
    print_best(out, best, results.metric, sweep.spec.resource.unit, results.metrics_at(best.trial, best.step))
    out.print()
    out.print(f"reports     {show_path(layout.results)}/*.parquet")
    out.print(f"trials      {show_path(layout.trials)}")
    if best.checkpoint is not None:
        out.print(f"checkpoint  {show_path(best.checkpoint)}")
    out.print()
    out.print(f"{show_command('caviar', 'trials', layout.path)}    the trials, best first")
    out.print(f"{show_command('caviar', 'report', layout.path)}    a page with the learning curves")
