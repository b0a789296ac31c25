"""Commands about a spec: init, validate, plan, schema."""

from pathlib import Path
from typing import Annotated

import typer

from ..input.options import Json, Settings, SpecFile, Workers

app = typer.Typer()


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the files go.")] = Path(),
    json: Json = False,
) -> None:
    """Write a spec and a training file to start from."""
    from ..actions import spec

    spec.init(directory, json=json)


@app.command()
def validate(spec_file: SpecFile, settings: Settings = None, json: Json = False) -> None:
    """Check a spec without running its training code."""
    from ..actions import spec
    from ..input.given import parse_settings

    spec.validate(spec_file, parse_settings(settings), json=json)


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
    from ..actions import spec
    from ..input.given import parse_settings

    if step_seconds is not None and (measure or not step_seconds > 0):
        raise typer.BadParameter("must be above 0, and given without --measure", param_hint="--step-seconds")
    values = parse_settings(settings, workers_count=workers)
    spec.plan(spec_file, values, step_seconds, measure=measure, json=json)


@app.command()
def schema(json: Json = False) -> None:
    """Print the JSON Schema of a spec, for editors."""
    from ..actions import spec

    spec.schema()
