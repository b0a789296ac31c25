"""Commands that run a sweep or stop one: run, resume, stop."""

from pathlib import Path
from typing import Annotated

import typer

from ..input.options import (
    Address,
    Directory,
    Json,
    Name,
    NoPreflight,
    Requirements,
    Settings,
    SpecFile,
    Workers,
)

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
    from ..actions import run
    from ..input.given import parse_settings

    values = parse_settings(settings, name=name, storage=storage, workers_count=workers)
    run.run(spec_file, values, preflight=not no_preflight, json=json)


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
    from ..actions import cluster, run
    from ..input.given import parse_settings

    values = parse_settings(settings, workers_count=workers)
    if address is not None:
        edits = cluster.RemoteEdits(values, spec_file, code, requirements)
        cluster.resume(address, str(directory), edits, dry_run=dry_run, follows=follows, json=json)
        return
    run.resume(directory, values, spec_file, dry_run=dry_run, preflight=not no_preflight, json=json)


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
    from ..actions import stop

    stop.stop(directory, timeout, address, json=json)
