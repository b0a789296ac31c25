"""The work of the commands that run a sweep: run, resume."""

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import typer

from ...analysis.insights import results_warnings
from ...core.trials.trial import TrialState
from ...errors import SweepStoppedError
from ...execution.snapshot import StopReason
from ...lifecycle.resume import edited_fields
from ...lifecycle.validate import read_runnable
from ...results import Results
from ...results.rows import trial_rows
from ...storage import Location, SweepDirectory
from ...sweep import Sweep
from ..output.console import note, plural, print_json, results_console, show_command, show_path, show_resume, show_value
from ..output.exit_codes import ExitCode, fail
from ..output.preview import edit_words, print_preview
from ..output.progress import RunProgress
from ..output.tables import best_as_dict, print_best
from .remote import note_copy


def run(spec_file: Path, values: Mapping[str, Any], *, preflight: bool, json: bool) -> None:
    """Runs the sweep of a spec and prints its best configuration.

    Args:
        spec_file: The spec's file.
        values: Fields that replace the spec's, by dotted path.
        preflight: Whether to look at the nodes of a cluster before the first trial.
        json: Whether to print JSON.
    """
    # The prints of a person's code at its import are no result.
    with redirect_stdout(sys.stderr):
        sweep = Sweep.from_spec(read_runnable(spec_file, values), spec_file.parent)
    _run(sweep, preflight=preflight, json=json)


def resume(
    directory: Location,
    values: Mapping[str, Any],
    spec_file: Path | None,
    *,
    dry_run: bool,
    preflight: bool,
    json: bool,
) -> None:
    """Goes on with a sweep, or says what would run.

    Args:
        directory: The sweep's directory.
        values: Fields that are others from now on, by dotted path.
        spec_file: A spec that takes the place of the sweep's, if any.
        dry_run: Whether to say only what would run.
        preflight: Whether to look at the nodes of a cluster before the first trial.
        json: Whether to print JSON.
    """
    note_copy(directory)
    with redirect_stdout(sys.stderr):
        sweep = Sweep.resume(directory, **edited_fields(directory, values, spec_file))
    if dry_run:
        print_preview(sweep.spec, sweep.preview(), json=json)
        return
    for edit in sweep.edits:
        note(f"edited: {edit_words(edit)}")
    _run(sweep, resumed=True, preflight=preflight, json=json)


def _run(sweep: Sweep, *, resumed: bool = False, preflight: bool, json: bool) -> None:
    earlier_s = sweep.earlier_s if resumed else None
    try:
        with redirect_stdout(sys.stderr), RunProgress(sweep.spec, earlier_s) as progress:
            results = sweep.run(progress, preflight=preflight)
    except (KeyboardInterrupt, SystemExit, SweepStoppedError):
        _say_how_to_go_on(sweep)
        raise
    progress.tell_end()
    if sweep.stop_reason is StopReason.INTERRUPTED:
        _say_how_to_go_on(sweep)
        raise typer.Exit(ExitCode.INTERRUPTED)
    _check_success(results, sweep.directory)
    for warning in _warnings(sweep, results):
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


def _warnings(sweep: Sweep, results: Results) -> tuple[str, ...]:
    return results_warnings(sweep.spec.search_space, trial_rows(results), results.regions().to_pylist())


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
        "warnings": _warnings(sweep, results),
    }


def _print_outcome(sweep: Sweep, results: Results) -> None:
    out, best, directory = results_console(), results.best, SweepDirectory(sweep.directory)
    print_best(out, best, results.metric, sweep.spec.resource.unit, results.metrics_at(best.trial, best.step))
    out.print()
    out.print(f"reports     {show_path(directory.results)}/*.parquet")
    out.print(f"trials      {show_path(directory.trials)}")
    if best.checkpoint is not None:
        out.print(f"checkpoint  {show_path(best.checkpoint)}")
    out.print()
    out.print(f"{show_command('caviar', 'trials', directory.path)}    the trials, best first")
    out.print(f"{show_command('caviar', 'report', directory.path)}    a page with the learning curves")
