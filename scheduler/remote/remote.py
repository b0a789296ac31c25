"""Commands about a sweep that lies on a cluster, run there as short jobs."""

import shlex
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ClusterError, SweepError
from .client import Job, JobsClient, Package
from .frames import Output, as_output, messages_of
from .naming import directory_of, is_query_job, name_of, names_of, query_job_id, runs_of
from .submission import as_settings, environment, prepare_run

_LOOKS_S = (0.1, 0.2, 0.4)
_LISTED_S = 600.0
"""So long short jobs stay in the cluster's list."""


@dataclass(frozen=True, slots=True)
class RemoteSweep:
    """A sweep on a cluster.

    Attributes:
        directory: Its directory: relative to the cluster's storage, absolute, or a URI.
        job: The last job that ran it; None where it was named by its directory.
        jobs: All jobs of the cluster when it was looked for; None where nobody asked.
    """

    directory: str
    job: Job | None
    jobs: Sequence[Job] | None = None

    @property
    def name(self) -> str:
        """A name for people: its own where it was submitted, else its directory."""
        return self.directory if self.job is None else name_of(self.job)


def find_sweep(client: JobsClient, sweep: str) -> RemoteSweep:
    """The sweep that a person names.

    Args:
        client: The cluster.
        sweep: The name it was submitted under, or its directory on the cluster, or its URI.

    Raises:
        SweepError: No sweep of this name was submitted.
    """
    jobs = client.jobs()
    if runs := runs_of(sweep, jobs):
        return RemoteSweep(directory_of(runs[-1]), runs[-1], jobs)
    if "/" in sweep:
        known = [run for name in names_of(jobs) for run in runs_of(name, jobs)]
        return RemoteSweep(sweep, next((job for job in reversed(known) if directory_of(job) == sweep), None), jobs)
    others = ", ".join(names_of(jobs)) or "none at all"
    raise SweepError(
        f"{sweep}: no sweep of this name was submitted to {client.address} since its head was started ({others}); one"
        f" that ran before is named by its directory there, such as sweeps/{sweep}."
    )


def run_remotely(
    address: str | None, arguments: Sequence[str], sweep: str | None = None, code: Package | None = None
) -> Output:
    """Runs a command of Caviar on a cluster and waits for its end.

    Args:
        address: The URL of Ray's dashboard; that of RAY_API_SERVER_ADDRESS if None.
        arguments: The command and its options, without the sweep's directory, such as `["status", "--json"]`.
        sweep: The sweep that the command is about, by its name, its directory on the cluster or its URI; None where it
            is about none.
        code: A folder with files that the command reads; the one that the sweep was submitted with if None.

    Raises:
        ClusterError: The cluster does not answer, or cannot run the command.
        SweepError: The token is missing or another's, or there is no such sweep.
    """
    client = JobsClient(address)
    return run_query_job(client, arguments, None if sweep is None else find_sweep(client, sweep), code)


def check_remotely(
    address: str | None, spec_file: Path | None, values: Mapping[str, Any], options: Sequence[str] = ()
) -> Output:
    """Looks at every node of a cluster from there, before a sweep is submitted to it.

    Args:
        address: The URL of Ray's dashboard; that of RAY_API_SERVER_ADDRESS if None.
        spec_file: The spec; None to look at the cluster alone.
        values: Fields that replace the file's, by dotted path.
        options: Further ones of `caviar doctor`.

    Raises:
        ClusterError: The cluster does not answer, or cannot run the command.
        SweepError: The token is missing or another's, or the spec cannot be submitted.
    """
    client = JobsClient(address)
    if spec_file is None:
        return run_query_job(client, ["doctor", *options], None)
    run = prepare_run(spec_file, values)
    arguments = ["doctor", spec_file.name, *as_settings(run.settings), *options]
    return run_query_job(client, arguments, RemoteSweep(run.directory, None), run.packages[-1])


def run_query_job(
    client: JobsClient, arguments: Sequence[str], sweep: RemoteSweep | None, code: Package | None = None
) -> Output:
    """Runs a command of Caviar as a short job and waits for its end.

    Args:
        client: The cluster.
        arguments: The command and its options, without the sweep's directory.
        sweep: The sweep that it is about; None where it is about none.
        code: A folder with files that the command reads; the one that the sweep was submitted with if None.

    Raises:
        ClusterError: The cluster does not answer, or cannot run the command.
    """
    job = start_query_job(client, arguments, sweep, code)
    try:
        job = wait_for_end(client, job)
        result = result_of(client, job)
    finally:
        end_query_job(client, job)
    return result


def start_query_job(
    client: JobsClient, arguments: Sequence[str], sweep: RemoteSweep | None, code: Package | None = None
) -> Job:
    """Submits a short job with the code that ran the sweep, or with that of here where the cluster has it no more."""
    runtime_env = {} if sweep is None or sweep.job is None else dict(sweep.job.runtime_env)
    runtime_env.pop("env_vars", None)
    if code is not None or not runtime_env or not all(client.has(uri) for uri in packages_in(runtime_env)):
        runtime_env, packages = environment(code)
        for package in packages:
            client.upload(package)
    _tidy(client, client.jobs() if sweep is None or sweep.jobs is None else sweep.jobs)
    name = query_job_id(arguments[0])
    if sweep is None:
        line = entrypoint(arguments, None)
    else:
        line = entrypoint(arguments, sweep.directory, known_as(client, sweep.name))
    client.submit(name, line, runtime_env, {})
    job = client.job(name)
    assert job is not None, "it has just been submitted"
    return job


def packages_in(runtime_env: dict[str, object]) -> list[str]:
    """The URIs of the packages of a runtime environment."""
    modules = runtime_env.get("py_modules")
    found = [*(modules if isinstance(modules, list) else []), runtime_env.get("working_dir")]
    return [uri for uri in found if isinstance(uri, str)]


def known_as(client: JobsClient, name: str) -> str:
    """The words after a command at the person's side that make it about a sweep on a cluster."""
    return shlex.join([name, "--address", client.address])


def entrypoint(
    arguments: Sequence[str], directory: str | None, known_as: str | None = None, *, stream: bool = False
) -> str:
    """The line for the cluster's shell that runs a command.

    Args:
        arguments: The command and its options.
        directory: The sweep's directory there; None where the command is about none.
        known_as: The sweep's name at the person's side, with the options to reach it.
        stream: Whether standard error goes into the log as it comes.
    """
    words = ["python", "-m", "caviar.scheduler.cli.on_cluster"]
    words += [] if known_as is None else ["--known-as", known_as]
    words += ["--stream"] * stream + ([] if directory is None else ["--sweep", directory])
    return shlex.join([*words, "--", *arguments])


def result_of(client: JobsClient, job: Job) -> Output:
    """The result that a job has sent by its end.

    Raises:
        ClusterError: It ended without a word.
    """
    found = [message for message in messages_of(client.log(job.id)) if message.kind == "result"]
    if not found:
        raise without_result(client, job)
    return as_output(found[-1])


def without_result(client: JobsClient, job: Job) -> ClusterError:
    """The sentence about a job that ended without a word."""
    if job.status == "STOPPED":
        return ClusterError(
            f"{client.address}: Ray stopped the job {job.id} before it could end in order; what was recorded is kept,"
            " and caviar resume goes on with it."
        )
    log = [line for line in client.log(job.id).splitlines() if line.strip()]
    lines = [line for line in job.message.splitlines() if line.strip()]
    reason = next((line for line in reversed(log) if "Error" in line), lines[-1] if lines else "no reason given")
    more = f"its log says more: ray job logs {shlex.quote(job.id)}"
    if "ModuleNotFoundError" in reason:
        more = "have the nodes' image hold this package, or pip install it there by --requirements FILE"
    return ClusterError(
        f"{client.address}: the job {job.id} ended as {job.status} and sent no result ({reason.strip()[:300]}); {more}."
    )


def wait_for_end(client: JobsClient, job: Job) -> Job:
    """Waits until a job has ended, as it is then.

    Raises:
        ClusterError: The cluster does not answer.
    """
    looks = iter(_LOOKS_S)
    while not job.ended:
        time.sleep(next(looks, _LOOKS_S[-1]))
        job = client.job(job.id) or job
    return job


def end_query_job(client: JobsClient, job: Job) -> None:
    """Ends a short job that still runs."""
    with suppress(SweepError):
        if not job.ended:
            client.stop(job.id)


def _tidy(client: JobsClient, jobs: Sequence[Job]) -> None:
    """Takes the short jobs of a while ago out of the cluster's list."""
    before = (time.time() - _LISTED_S) * 1000
    for job in jobs:
        if is_query_job(job.id) and job.ended and job.end is not None and job.end < before:
            client.forget(job.id)
