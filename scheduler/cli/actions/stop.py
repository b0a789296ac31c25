"""The work of the command that stops a sweep: stop."""

import typer

from ...lifecycle.stop import stop_sweep
from ...storage import Location
from ..output.console import print_json


def stop(directory: Location, timeout: float | None, address: str | None, *, json: bool) -> None:
    """Stops a sweep that runs, on this machine or on a cluster.

    Args:
        directory: The sweep's directory.
        timeout: Seconds to wait; as long as it takes if None.
        address: The cluster that it is on, if it is on one.
        json: Whether to print JSON.
    """
    if address is not None:
        _stop_there(address, str(directory), timeout, json=json)
        return
    stopped = stop_sweep(directory, timeout)
    _print_stopped(None if stopped is None else str(stopped), json=json)


def _stop_there(address: str, sweep: str, timeout: float | None, *, json: bool) -> None:
    # Stopping a sweep of this machine needs nothing of these.
    from ...remote.client import JobsClient  # noqa: PLC0415
    from ...remote.sweeps import stop_before_it_begins, stop_sweep_there  # noqa: PLC0415
    from .remote import end_as, options_of  # noqa: PLC0415

    client = JobsClient(address)
    if stop_before_it_begins(client, sweep):
        _print_stopped("before it began", json=json)
        return
    end_as(stop_sweep_there(client, sweep, options_of("stop", json=json, timeout=timeout)[1:]))


def _print_stopped(what: str | None, *, json: bool) -> None:
    if json:
        print_json({"stopped": what is not None})
        return
    typer.echo("no process is running this sweep" if what is None else f"stopped: {what}")
