"""The command that examines a sweep's directory and repairs it, or a cluster before a sweep: doctor."""

from typing import Annotated

import typer

from ..input.options import Address, Json, Settings

app = typer.Typer()


@app.command()
def doctor(
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="[SPEC|DIR]",
            help="A spec, to look at the nodes that it would run on; or a sweep's directory or its URI, to examine it.",
            show_default=False,
        ),
    ] = None,
    settings: Settings = None,
    repairs: Annotated[
        bool, typer.Option("--repair", help="Rebuild what can be rebuilt; what is replaced is kept in DIR/damaged.")
    ] = False,
    address: Address = None,
    json: Json = False,
) -> None:
    """Examine a sweep's files, or a cluster before a sweep.

    With a spec, or nothing, it looks at every node of the Ray that RAY_ADDRESS or --address names, or at this machine.
    With a directory it changes nothing without --repair, and may be used while the sweep runs.
    """
    from ..actions import doctor

    doctor.doctor(subject, settings, address, repairs=repairs, json=json)
