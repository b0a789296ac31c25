"""The ids of sweeps' jobs, and the metadata that are submitted with them."""

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from .client import Job

_QUERY_JOB = "caviar~"
_SWEEP, _DIRECTORY, _DIGEST = "caviar_sweep", "caviar_place", "caviar_digest"


def run_id(name: str, number: int) -> str:
    """The id of a sweep's job: `caviar-digits`, then `caviar-digits~2` and so on.

    Args:
        name: The sweep's name, in which there is no `~`.
        number: The job's number among those of the sweep, from 1.
    """
    return f"caviar-{name}" if number == 1 else f"caviar-{name}~{number}"


def query_job_id(command: str) -> str:
    """An id that no other job has, for a command that asks about a sweep."""
    return f"{_QUERY_JOB}{command}~{secrets.token_hex(6)}"


def is_query_job(submission_id: str) -> bool:
    """True where an id is one of `query_job_id`."""
    return submission_id.startswith(_QUERY_JOB)


def run_metadata(name: str, directory: str, digest: str) -> dict[str, str]:
    """The metadata of a sweep's job.

    Args:
        name: The sweep's name.
        directory: Its directory as `on_cluster` reads it: relative to the cluster's storage, absolute, or a URI.
        digest: The digest of the submission.
    """
    return {_SWEEP: name, _DIRECTORY: directory, _DIGEST: digest}


def name_of(job: Job) -> str:
    """The name of a job's sweep."""
    return job.metadata.get(_SWEEP, "")


def directory_of(job: Job) -> str:
    """The directory of a job's sweep, as `on_cluster` reads it."""
    return job.metadata.get(_DIRECTORY, "")


def digest_of(job: Job) -> str:
    """The digest of what was submitted with a job."""
    return job.metadata.get(_DIGEST, "")


def runs_of(name: str, jobs: Iterable[Job]) -> Sequence[Job]:
    """The jobs of a sweep, the first one first."""
    mine = {job.id: job for job in jobs if job.metadata.get(_SWEEP) == name}
    runs: list[Job] = []
    while (job := mine.get(run_id(name, len(runs) + 1))) is not None:
        runs.append(job)
    return runs


def names_of(jobs: Iterable[Job]) -> Sequence[str]:
    """The names of all sweeps that were submitted, in order."""
    return sorted({job.metadata[_SWEEP] for job in jobs if job.metadata.get(_SWEEP)})


def submission_digest(arguments: Sequence[str], directory: str, runtime_env: Mapping[str, Any]) -> str:
    """Tells submissions apart: equal for the same spec, settings, code and requirements.

    Args:
        arguments: The command's.
        directory: The sweep's directory.
        runtime_env: With packages whose names follow from their content.
    """
    content = orjson.dumps([list(arguments), directory, dict(runtime_env)], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(content).hexdigest()[:32]
