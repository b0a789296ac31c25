"""Commands that read a sweep's directory: status, trials, best, importance, report."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..input.options import TRIALS_SHOWN, Address, Directory, Json

app = typer.Typer()


@app.command()
def status(directory: Directory, address: Address = None, json: Json = False) -> None:
    """Show where a sweep stands."""
    from ..actions import status

    status.status(directory, address, json=json)


@app.command()
def trials(
    directory: Directory,
    sort: Annotated[Literal["value", "trial"], typer.Option(help="The best value first, or by number.")] = "value",
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help=f"At most so many; 0 for all. {TRIALS_SHOWN} if not given, all with --json."
        ),
    ] = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """List the trials of a sweep."""
    from ..actions import read

    read.trials(directory, sort, limit, address, json=json)


@app.command()
def best(directory: Directory, address: Address = None, json: Json = False) -> None:
    """Print the best configuration."""
    from ..actions import read

    read.best(directory, address, json=json)


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
    from ..actions import read

    read.importance(directory, method, address, json=json)


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
    from ..actions import read

    read.report(directory, output, json=json)
