"""The work of the commands that have a cluster run sweeps: submit, follow, fetch."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
import typer

from ...remote.client import JobsClient
from ...remote.fetch import fetch_sweep
from ...remote.frames import Output, as_output
from ...remote.log_stream import follow as follow_job
from ...remote.remote import known_as, run_remotely
from ...remote.submission import as_settings, prepare_run, spec_folder, working_directory
from ...remote.sweeps import Submitted, last_run, resume_sweep, submit_sweep, wait_until_begun
from ...results import Best
from ..output.console import note, print_json, results_console, show_path, show_value
from ..output.tables import print_best
from .remote import end_as


def submit(
    address: str | None,
    spec_file: Path,
    values: Mapping[str, Any],
    requirements: Path | None,
    *,
    follows: bool,
    json: bool,
) -> None:
    """Has a cluster run a sweep.

    Args:
        address: The URL of Ray's dashboard; that of the environment if None.
        spec_file: The spec's file.
        values: Fields that replace the spec's, by dotted path.
        requirements: A file of requirements, which pip installs on the nodes.
        follows: Whether to print the job's output, to its end.
        json: Whether to print JSON.
    """
    submission = prepare_run(spec_file, values, requirements)
    if requirements is None and (found := spec_file.parent / "requirements.txt").is_file():
        note(f"the nodes are expected to have what {show_path(found)} names; --requirements FILE has pip install it")
    client = JobsClient(address)
    _go_on(client, submit_sweep(client, submission), follows=follows, json=json)


def follow(sweep: str, address: str | None, *, json: bool) -> None:
    """Prints what a submitted sweep prints, to its end."""
    client = JobsClient(address)
    _follow(client, sweep, last_run(client, sweep).id, json=json)


def fetch(
    sweep: str, address: str | None, to: Path | None, checkpoints: Literal["best", "all", "none"], *, json: bool
) -> None:
    """Copies a sweep from a cluster, or brings a copy up to date."""
    copy = fetch_sweep(address, sweep, to, checkpoints)
    if json:
        print_json({"directory": str(copy)})
        return
    out = results_console()
    out.print(f"fetched  {show_path(copy)}")
    out.print(f"reports  {show_path(copy / 'results')}/*.parquet")


@dataclass(frozen=True, slots=True)
class RemoteEdits:
    """Changes that `caviar resume` makes to a sweep on a cluster.

    Attributes:
        values: Fields by dotted path.
        spec_file: A spec that takes the place of the sweep's; its folder becomes the code.
        code: The folder with the training code; as it was submitted if None, and that of `spec_file` if there is one.
        requirements: A file of requirements, which pip installs on the nodes.
    """

    values: Mapping[str, Any]
    spec_file: Path | None
    code: Path | None
    requirements: Path | None

    @property
    def arguments(self) -> list[str]:
        """Options of `caviar resume` on the cluster."""
        spec = [] if self.spec_file is None else ["--spec", self.spec_file.name]
        return [*as_settings(self.values), *spec]


def resume(address: str, sweep: str, edits: RemoteEdits, *, dry_run: bool, follows: bool, json: bool) -> None:
    """Has a cluster go on with a sweep.

    Args:
        address: The URL of Ray's dashboard.
        sweep: The sweep's name, its directory on the cluster or its URI.
        edits: The changes, which hold from now on.
        dry_run: Whether to say only what would run.
        follows: Whether to print the job's output, to its end.
        json: Whether to print JSON.

    Raises:
        ClusterError: The cluster does not answer.
        SweepError: There is no such sweep, it runs, or its code is no longer there.
    """
    code = None if edits.code is None else working_directory(edits.code)
    if edits.spec_file is not None:
        code = spec_folder(edits.spec_file, edits.values)
    if dry_run:
        end_as(run_remotely(address, ["resume", "--dry-run", *edits.arguments, *["--json"] * json], sweep, code))
    client = JobsClient(address)
    submitted = resume_sweep(client, sweep, edits.arguments, code, edits.requirements)
    _go_on(client, submitted, follows=follows, json=json)


def _go_on(client: JobsClient, submitted: Submitted, *, follows: bool, json: bool) -> None:
    """Says what was submitted, or follows it."""
    name, job = submitted.name, submitted.job
    if follows:
        note(f"{name} {'was submitted' if submitted.new else 'runs already'} as the job {job}")
        _follow(client, name, job, json=json)
        return
    note(f"{name} {'was submitted' if submitted.new else 'runs already'} as the job {job}; waiting for it to begin …")
    try:
        begun = wait_until_begun(client, job)
    except KeyboardInterrupt:
        note(f"{name} was submitted; follow it with: {_command('follow', name, client)}")
        raise
    if begun.ended is not None and begun.ended.code:
        for line in begun.lines:
            typer.echo(show_value(line.rstrip("\n")), err=True)
        raise typer.Exit(begun.ended.code)
    if json:
        print_json({"sweep": name, "job": job, "new": submitted.new, "directory": begun.directory})
        return
    out = results_console()
    out.print(f"{'submitted' if submitted.new else 'running':<10} {name}, the job {job}")
    if begun.directory is not None:
        out.print(_lies_in(begun.directory))
    out.print()
    for command, meaning in _NEXT.items():
        out.print(f"{_command(command, name, client)}    {meaning}")


_NEXT = {
    "follow": "what it prints, to its end",
    "status": "where it stands",
    "stop": "stop it, to go on later",
    "fetch": "copy its results to this machine",
}


def _lies_in(directory: str) -> str:
    return f"directory  {directory}" + ("" if "://" in directory else " on the cluster")


def _command(command: str, name: str, client: JobsClient) -> str:
    return f"caviar {command} {known_as(client, name)}"


def _follow(client: JobsClient, name: str, job: str, *, json: bool) -> None:
    """Prints the job's log on standard error and its result on standard output, and ends the program as it ended."""
    try:
        for found in follow_job(client, job):
            if isinstance(found, str):
                sys.stderr.write(found)
                sys.stderr.flush()
            elif found.kind == "place":
                note(f"{name} lies in {found.content['directory']}")
            elif found.kind == "result":
                _end(client, name, as_output(found), json=json)
    except KeyboardInterrupt:
        note(f"{name} goes on; follow it again with: {_command('follow', name, client)}")
        raise


def _end(client: JobsClient, name: str, output: Output, *, json: bool) -> None:
    if output.code or json:
        sys.stdout.write(output.stdout)
        raise typer.Exit(output.code)
    outcome = orjson.loads(output.stdout)
    found, out = outcome["best"], results_console()
    best = Best(found["trial"], found["config"], found["value"], found["step"], None)
    print_best(out, best, outcome["metric"], outcome["unit"], found["metrics"])
    out.print()
    out.print(_lies_in(outcome["directory"]))
    out.print(f"{_command('fetch', name, client)}    {_NEXT['fetch']}")
