"""Sweeps as jobs of a cluster: submitted once, and gone on with."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from ..errors import ClusterError, SweepError
from .client import Job, JobsClient, Package
from .fetch import copy_from
from .frames import Output, as_output
from .kept_code import kept_package
from .log_stream import follow
from .naming import digest_of, directory_of, run_id, run_metadata, runs_of
from .remote import (
    RemoteSweep,
    entrypoint,
    find_sweep,
    known_as,
    packages_in,
    run_query_job,
    wait_for_end,
)
from .submission import Submission, environment

_OVER = {"finished", "out_of_time"}


@dataclass(frozen=True, slots=True)
class Submitted:
    """A sweep's job.

    Attributes:
        name: The sweep's name.
        job: The job's id.
        new: True where it was submitted just now; else it was running already.
    """

    name: str
    job: str
    new: bool


@dataclass(frozen=True, slots=True)
class Begun:
    """The beginning of a job.

    Attributes:
        directory: The sweep's directory on the cluster, or its URI; None where the job ended before.
        lines: The lines that it printed until then.
        ended: The output of its command, where it has ended.
    """

    directory: str | None
    lines: Sequence[str]
    ended: Output | None


def submit_sweep(client: JobsClient, submission: Submission) -> Submitted:
    """Has a cluster run a sweep; while it runs, submitting it again changes nothing.

    Args:
        client: The cluster.
        submission: The sweep.

    Raises:
        ClusterError: The cluster does not answer.
        SweepError: Another sweep of this name runs there, or this one ran before.
    """
    name, jobs = submission.name, client.jobs()
    runs = runs_of(name, jobs)
    if runs and not runs[-1].ended:
        if digest_of(runs[-1]) == submission.digest:
            return Submitted(name, runs[-1].id, new=False)
        raise SweepError(
            f"{name} runs on {client.address} with another spec or other code: choose another --name, or stop it"
            f" (caviar stop {name} --address {client.address}) and go on with the edited spec (caviar resume {name}"
            f" --address {client.address} --spec FILE)."
        )
    if runs:
        _check_is_new(client, RemoteSweep(directory_of(runs[-1]), runs[-1], jobs))
    return _submit(client, submission, len(runs) + 1, submission.digest)


def resume_sweep(
    client: JobsClient, sweep: str, arguments: Sequence[str], code: Package | None, requirements: Path | None = None
) -> Submitted:
    """Has a cluster go on with a sweep.

    Args:
        client: The cluster.
        sweep: Its name, its directory there or its URI.
        arguments: Options of `caviar resume`.
        code: The folder with the training code; as it was submitted if None.
        requirements: A file with what pip is to install on the nodes; what was installed before if None.

    Raises:
        ClusterError: The cluster does not answer.
        SweepError: There is no such sweep, it runs, or its code is no longer there.
    """
    found = find_sweep(client, sweep)
    name = Path(found.directory.partition("?")[0]).name
    if found.job is not None and not found.job.ended:
        raise SweepError(f"{name} is running: follow it with caviar follow {name} --address {client.address}.")
    runtime_env, packages = environment(code, requirements)
    kept = {} if found.job is None else dict(found.job.runtime_env)
    if requirements is None and "pip" in kept:
        runtime_env["pip"] = kept["pip"]
    if code is None:
        runtime_env |= _submitted_code(client, found, kept)
        packages = [package for package in packages if package.uri in packages_in(runtime_env)]
    submission = Submission(name, found.directory, ["resume", *arguments, "--json"], {}, runtime_env, packages)
    digest = submission.digest
    if found.job is not None and code is None and requirements is None and not arguments:
        digest = digest_of(found.job)  # so that submitting the spec again finds that it runs
    return _submit(client, submission, len(runs_of(name, client.jobs())) + 1, digest)


def stop_before_it_begins(client: JobsClient, sweep: str) -> bool:
    """Ends a sweep's job that still waits for its packages, when nothing is there yet that could stop in order.

    Returns:
        True where there was one.

    Raises:
        ClusterError: The cluster does not answer.
        SweepError: There is no such sweep.
    """
    job = find_sweep(client, sweep).job
    if job is None or job.status != "PENDING":
        return False
    client.stop(job.id)
    return True


def stop_sweep_there(client: JobsClient, sweep: str, arguments: Sequence[str]) -> Output:
    """Has a sweep on a cluster stop in order, and waits until its job has ended.

    Args:
        client: The cluster.
        sweep: Its name, its directory there or its URI.
        arguments: Options of `caviar stop`.

    Raises:
        ClusterError: The cluster does not answer.
        SweepError: There is no such sweep.
    """
    found = find_sweep(client, sweep)
    output = run_query_job(client, ["stop", *arguments], found)
    if found.job is not None and output.code == 0:
        wait_for_end(client, found.job)
    return output


def wait_until_begun(client: JobsClient, job: str) -> Begun:
    """Waits until a sweep's job has taken hold of the sweep, or has ended.

    Raises:
        ClusterError: The cluster does not answer, or could not start the job.
    """
    lines: list[str] = []
    for found in follow(client, job):
        if isinstance(found, str):
            lines.append(found)
        elif found.kind == "place":
            return Begun(found.content["directory"], lines, None)
        elif found.kind == "result":
            return Begun(None, lines, as_output(found))
    raise AssertionError("following a job ends with its result or an error")


def last_run(client: JobsClient, sweep: str) -> Job:
    """The job that ran a sweep last.

    Raises:
        SweepError: There is none.
    """
    found = find_sweep(client, sweep)
    if found.job is None:
        raise SweepError(f"{sweep}: no job of {client.address} runs or ran it; ask with caviar status.")
    return found.job


def _submit(client: JobsClient, submission: Submission, number: int, digest: str) -> Submitted:
    for package in submission.packages:
        client.upload(package)
    job = run_id(submission.name, number)
    line = entrypoint(submission.arguments, submission.directory, known_as(client, submission.name), stream=True)
    metadata = run_metadata(submission.name, submission.directory, digest)
    if client.submit(job, line, submission.runtime_env, metadata):
        return Submitted(submission.name, job, new=True)
    # Somebody else has just submitted a job of this id.
    other = client.job(job)
    if other is not None and digest_of(other) == digest:
        return Submitted(submission.name, job, new=False)
    raise SweepError(f"{submission.name} was submitted by somebody else this moment; look at it with caviar status.")


def _check_is_new(client: JobsClient, found: RemoteSweep) -> None:
    """Refuses a sweep that has begun: a job that ended before it did is no hindrance."""
    name, output = found.name, run_query_job(client, ["status", "--json"], found)
    if output.code == 1:
        raise ClusterError(output.stderr.strip().removeprefix("error: "))
    if output.code != 0:
        return
    status = orjson.loads(output.stdout)
    there = f"{name} --address {client.address}"
    if status["condition"] in _OVER:
        raise SweepError(
            f"{name} has finished on {client.address}: see caviar best {there}, go on with a larger budget (caviar"
            f" resume {there} --set budget.trials=N), or run it anew under another --name."
        )
    if status["progress"]["trials"]:
        raise SweepError(f"{name} was stopped on {client.address}: go on with it by caviar resume {there}.")


def _submitted_code(client: JobsClient, found: RemoteSweep, kept: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a runtime environment with the code that a sweep was submitted with, as far as that can be had.

    Args:
        client: The cluster.
        found: The sweep.
        kept: The runtime environment of its last job; empty where the head knows of none.
    """
    modules, folder = kept.get("py_modules"), kept.get("working_dir")
    # The Caviar that the sweep was submitted with, unless the cluster has thrown it away.
    code = {"py_modules": modules} if isinstance(modules, list) and all(map(client.has, modules)) else {}
    if isinstance(folder, str) and client.has(folder):
        return {**code, "working_dir": folder}
    package = _code_beside_results(client, found)
    if package is not None:
        client.upload(package)
        return {**code, "working_dir": package.uri}
    if folder is not None:
        raise SweepError(
            f"{client.address} no longer has the training code of {found.directory}: give its folder with --code DIR."
        )
    return code


def _code_beside_results(client: JobsClient, found: RemoteSweep) -> Package | None:
    with tempfile.TemporaryDirectory() as folder:
        copy_from(client, found, Path(folder), "code")
        return kept_package(Path(folder))
