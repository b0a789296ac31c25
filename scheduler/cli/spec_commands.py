"""Commands about a spec: init, validate, plan, schema."""

from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.controllers import Search, pipeline_of
from ..measure import measure_step_seconds
from ..planning import plan_sweep
from ..spec_schema import spec_schema
from ..starter import write_starter
from ..validation import read_spec, validate_spec
from .console import note, plural, print_json, results_console, show_command, show_duration, show_path
from .options import Json, Settings, SpecFile, Workers, parse_settings
from .tables import plan_table

app = typer.Typer()

_IDLE = 2 / 3
"""Where workers train for a smaller share of the time, the person hears what else they might choose."""


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the files go.")] = Path(),
    json: Json = False,
) -> None:
    """Write a spec and a training file to start from."""
    spec, training = write_starter(directory)
    if json:
        print_json({"spec": str(spec), "training": str(training)})
        return
    for path in (spec, training):
        typer.echo(f"wrote {show_path(path)}")
    typer.echo(f"\nRun it:  {show_command('caviar', 'run', spec)}")


@app.command()
def validate(spec_file: SpecFile, settings: Settings = None, json: Json = False) -> None:
    """Check a spec without running its training code."""
    spec = validate_spec(spec_file, parse_settings(settings))
    if json:
        print_json({"valid": True, "spec": spec.model_dump(mode="json")})
        return
    typer.echo(f"{show_path(spec_file)} is a valid spec of {plural(len(spec.space), 'hyperparameter')}.")


@app.command()
def plan(
    spec_file: SpecFile,
    settings: Settings = None,
    workers: Workers = None,
    step_seconds: Annotated[
        float | None, typer.Option(metavar="S", help="What one step takes, in seconds.", show_default=False)
    ] = None,
    measure: Annotated[bool, typer.Option("--measure", help="Train a few steps here to see what one takes.")] = False,
    json: Json = False,
) -> None:
    """Show the brackets, their cost and the expected time.

    The time needs the cost of a step: give it with --step-seconds, or have it measured.
    """
    if step_seconds is not None and (measure or not step_seconds > 0):
        raise typer.BadParameter("must be above 0, and given without --measure", param_hint="--step-seconds")
    spec = read_spec(spec_file, parse_settings(settings, workers_count=workers))
    if measure:
        note("training a few steps …")
        step_seconds = measure_step_seconds(spec, spec_file.parent)
    planned = plan_sweep(spec, step_seconds)
    count = spec.worker_count or 1
    busy = None if step_seconds is None else planned.busy(count, step_seconds)
    finish = None if planned.seconds is None else datetime.now().astimezone() + timedelta(seconds=planned.seconds)
    if json:
        totals: dict[str, Any] = {
            "trials": planned.trials,
            "resource": planned.cost,
            "workers": count,
            "step_seconds": step_seconds,
        }
        times = {"seconds": planned.seconds, "busy": busy, "finish": finish and finish.isoformat(timespec="seconds")}
        brackets = [asdict(bracket) | {"resource": bracket.cost} for bracket in planned.brackets]
        print_json({"unit": spec.resource.unit, **totals, **times, "brackets": brackets})
        return
    out = results_console()
    out.print(plan_table(planned))
    out.print()
    cost = f"{plural(planned.cost, spec.resource.unit)} in all"
    out.print(f"{plural(planned.trials, 'trial')} in {plural(len(planned.brackets), 'bracket')}: {cost}")
    if finish is not None and planned.seconds is not None and step_seconds is not None:
        means = f"{plural(count, 'worker')}, {step_seconds:.3g} s per {spec.resource.unit}"
        out.print(f"{means}: about {show_duration(planned.seconds)}; started now it ends at {_clock(finish)}")
    if busy is not None and busy < _IDLE and spec.search.waits:
        out.print(_idle_words(busy, spec.search))


@app.command()
def schema(json: Json = False) -> None:
    """Print the JSON Schema of a spec, for editors."""
    print_json(spec_schema())


def _idle_words(busy: float, search: Search) -> str:
    """What keeps more workers busy than the sweep would."""
    rungs = pipeline_of(search)
    return (
        f"Workers train {busy:.0%} of the time and wait for results in the rest: with controller.pipeline above {rungs}"
        " they wait for fewer of them, with controller asha for none."
    )


def _clock(time: datetime) -> str:
    today = time.date() == datetime.now().astimezone().date()
    return f"{time:%H:%M}" if today else f"{time:%Y-%m-%d %H:%M}"
