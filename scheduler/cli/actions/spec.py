"""The work of the commands about a spec: init, validate, plan, schema."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import typer

from ...analysis.plan import plan_sweep
from ...core.controllers.registry import SearchConfig, pipeline_of
from ...lifecycle.measure import measure_step_seconds
from ...lifecycle.validate import read_spec, validate_spec
from ...spec.json_schema import spec_schema
from ...spec.starter import write_starter
from ..output.brackets import plan_table
from ..output.console import note, plural, print_json, results_console, show_command, show_duration, show_path

_IDLE = 2 / 3
"""The share of the time that workers train, below which the person hears of other settings."""


def init(directory: Path, *, json: bool) -> None:
    """Writes a spec and a training file."""
    spec, training = write_starter(directory)
    if json:
        print_json({"spec": str(spec), "training": str(training)})
        return
    for path in (spec, training):
        typer.echo(f"wrote {show_path(path)}")
    typer.echo(f"\nRun it:  {show_command('caviar', 'run', spec)}")


def validate(spec_file: Path, values: Mapping[str, Any], *, json: bool) -> None:
    """Checks a spec with the values that replace its own, by dotted path."""
    spec = validate_spec(spec_file, values)
    if json:
        print_json({"valid": True, "spec": spec.model_dump(mode="json")})
        return
    typer.echo(f"{show_path(spec_file)} is a valid spec of {plural(len(spec.space), 'hyperparameter')}.")


def plan(spec_file: Path, values: Mapping[str, Any], step_seconds: float | None, *, measure: bool, json: bool) -> None:
    """Prints the brackets, their cost and the expected time.

    Args:
        spec_file: The spec's file.
        values: Fields that replace the spec's, by dotted path.
        step_seconds: The time of one step, if known.
        measure: Whether to train a few steps to measure the time of one.
        json: Whether to print JSON.
    """
    spec = read_spec(spec_file, values)
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


def schema() -> None:
    """Prints the JSON Schema of a spec."""
    print_json(spec_schema())


def _idle_words(busy: float, search: SearchConfig) -> str:
    """Advice for a sweep whose workers wait for results: the settings that keep them busy."""
    rungs = pipeline_of(search)
    return (
        f"Workers train {busy:.0%} of the time and wait for results in the rest: with controller.pipeline above {rungs}"
        " they wait for fewer of them, with controller asha for none."
    )


def _clock(time: datetime) -> str:
    today = time.date() == datetime.now().astimezone().date()
    return f"{time:%H:%M}" if today else f"{time:%Y-%m-%d %H:%M}"
