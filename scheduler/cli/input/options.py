"""The arguments and options that commands share."""

from pathlib import Path
from typing import Annotated, Any

import typer

TRIALS_SHOWN = 20
"""Trials that `caviar trials` lists where nobody says how many."""

SpecFile = Annotated[Path, typer.Argument(metavar="SPEC", help="The spec, a YAML file.", show_default=False)]


def _located(text: str) -> Any:
    from .given import located

    return located(text)


Directory = Annotated[
    Any, typer.Argument(metavar="DIR", parser=_located, help="The sweep's directory, or its URI.", show_default=False)
]
"""A `Location`; typer knows no unions."""
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Ray's dashboard, such as http://127.0.0.1:8265; DIR is then the name under which the sweep was submitted"
        " there, or its directory on the cluster.",
        show_default=False,
    ),
]
"""The cluster that a command is about; one about this machine if not given."""
Requirements = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="What pip is to install on the nodes, a line each.", show_default=False),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Replace a field of the spec, such as budget.trials=50; the value is YAML. May be repeated.",
        show_default=False,
    ),
]
Name = Annotated[
    str | None, typer.Option(metavar="NAME", help="The sweep's name and its directory's.", show_default=False)
]
Workers = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Number of workers, as workers.count.", show_default=False)
]
NoPreflight = Annotated[
    bool, typer.Option("--no-preflight", help="Begin without looking at the nodes of the cluster before.")
]
