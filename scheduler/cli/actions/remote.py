"""Commands about a sweep on a cluster: run there, their output printed here."""

import sys
from typing import NoReturn

import typer

from ...remote.frames import Output
from ...storage import Location
from ..output.console import note


def run_there(address: str | None, sweep: Location, command: str, *, json: bool, **options: object) -> None:
    """Runs a command on the cluster and ends this program as it ended; does nothing where there is no address.

    Args:
        address: The URL of Ray's dashboard; None where the sweep is on this machine.
        sweep: The argument for the sweep's directory: its name, its directory on the cluster or its URI.
        command: The command.
        json: Whether it is to print JSON.
        options: Its options; None where one was not given.

    Raises:
        Exit: With the command's exit code, where there is an address.
        ClusterError: The cluster does not answer, or cannot run the command.
        SweepError: The token is missing or another's, or there is no such sweep.
    """
    if address is None:
        return
    # The client of a cluster takes long to import, and most sweeps are on this machine.
    from ...remote.remote import run_remotely  # noqa: PLC0415

    end_as(run_remotely(address, options_of(command, json=json, **options), str(sweep)))


def options_of(command: str, *, json: bool, **options: object) -> list[str]:
    """A command and its options, as words of a command line; an option that is None was not given."""
    given = {name: value for name, value in options.items() if value is not None}
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    return [command, *words, *["--json"] * json]


def end_as(output: Output) -> NoReturn:
    """Prints what a command printed elsewhere, and ends this program as it ended.

    Raises:
        Exit: Always, with its exit code.
    """
    typer.echo(output.stderr, nl=False, err=True)
    sys.stdout.write(output.stdout)
    raise typer.Exit(output.code)


def note_copy(directory: Location) -> None:
    """Says on standard error that a sweep is a copy of one on a cluster, where it is."""
    from ...remote.copies import read_note  # noqa: PLC0415 most commands are about no copy

    if (copy := read_note(directory)) is not None:
        note(f"this is {copy}; what is done here does not reach the sweep there")
