"""The arguments and options that commands share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ...search_spaces.errors import InvalidYamlError
from ...search_spaces.strict_yaml import load_yaml
from ...search_spaces.values import cut, show
from ..errors import InvalidSpecError, SweepError
from ..storage import Location, locate

SpecFile = Annotated[Path, typer.Argument(metavar="SPEC", help="The spec, a YAML file.", show_default=False)]


def located(text: str) -> Location:
    """What a person means by a path or a URI.

    Raises:
        SweepError: It is neither.
    """
    try:
        return locate(text)
    except InvalidSpecError as error:  # a ValueError would be click's affair
        raise SweepError(str(error)) from None


Directory = Annotated[
    Any, typer.Argument(metavar="DIR", parser=located, help="The sweep's directory, or its URI.", show_default=False)
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


def parse_settings(settings: Sequence[str] | None, **fields: Any) -> dict[str, Any]:
    """The values of `--set` and of options that stand for a field, by dotted path.

    Args:
        settings: What was given with `--set`, if anything.
        fields: Values of options by path with `_` for the dot; None where the option was not given.

    Raises:
        InvalidSpecError: A setting is not of the form path=value.
        InvalidYamlError: A value is not strict YAML.
    """
    values = dict(map(_parse, settings or ()))
    given = {name.replace("_", "."): value for name, value in fields.items() if value is not None}
    return values | given


def _parse(setting: str) -> tuple[str, Any]:
    path, equals, text = setting.partition("=")
    if not equals or not path:
        raise InvalidSpecError(f"--set {cut(setting)}: it must be path=value, such as --set budget.trials=50.")
    try:
        return path, load_yaml(text, f"--set {cut(path)}")
    except InvalidYamlError as error:
        raise InvalidSpecError(f"{error}; the value is YAML, got {show(text)}.") from None
