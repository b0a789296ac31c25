"""Commands that have a cluster run sweeps: submit, follow, fetch."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..input.options import Json, Name, Requirements, Settings, SpecFile, Workers

app = typer.Typer()

Cluster = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="URL",
        help="Ray's dashboard, such as http://127.0.0.1:8265; RAY_API_SERVER_ADDRESS if not given.",
        show_default=False,
    ),
]
Follow = Annotated[bool, typer.Option("--follow", help="Print what it prints, to its end.")]
Sweep = Annotated[
    str,
    typer.Argument(metavar="NAME", help="The sweep's name, or its directory on the cluster.", show_default=False),
]


@app.command()
def submit(  # noqa: PLR0913, PLR0917 a command's options are its arguments
    spec_file: SpecFile,
    address: Cluster = None,
    follows: Follow = False,
    settings: Settings = None,
    workers: Workers = None,
    name: Name = None,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="The folder on the cluster, or the URI, in which the sweep's directory lies.",
            show_default=False,
        ),
    ] = None,
    requirements: Requirements = None,
    json: Json = False,
) -> None:
    """Have a cluster run a sweep.

    The spec's folder and this Caviar go there. While the sweep runs, submitting it again changes nothing.
    """
    from ..actions import cluster
    from ..input.given import parse_settings

    values = parse_settings(settings, name=name, storage=storage, workers_count=workers)
    cluster.submit(address, spec_file, values, requirements, follows=follows, json=json)


@app.command()
def follow(sweep: Sweep, address: Cluster = None, json: Json = False) -> None:
    """Print what a submitted sweep prints, to its end.

    Ctrl-C ends the printing; the sweep goes on.
    """
    from ..actions import cluster

    cluster.follow(sweep, address, json=json)


@app.command()
def fetch(
    sweep: Sweep,
    address: Cluster = None,
    to: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The copy's directory; sweeps/NAME if not given.", show_default=False),
    ] = None,
    checkpoints: Annotated[
        Literal["best", "all", "none"], typer.Option(help="Of which trials checkpoints come along.")
    ] = "best",
    json: Json = False,
) -> None:
    """Copy a sweep from a cluster, or bring a copy up to date."""
    from ..actions import cluster

    cluster.fetch(sweep, address, to, checkpoints, json=json)
