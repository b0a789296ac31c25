"""A sweep's directory brought from the cluster to this machine."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from ..errors import ClusterError, SweepError
from ..storage import ObjectPath, SweepDirectory, is_uri, locate
from .client import Job, JobsClient
from .copies import CopyNote, check_replaceable, journal_digest, write_note
from .frames import Message, as_output
from .log_stream import follow
from .remote import RemoteSweep, end_query_job, find_sweep, start_query_job
from .sweep_archive import Extent, copy_files, read_archive


def fetch_sweep(address: str | None, sweep: str, to: Path | None, extent: Extent = "best") -> Path:
    """Copies a sweep from a cluster; a copy that is there already is brought up to date.

    Args:
        address: The URL of Ray's dashboard; that of RAY_API_SERVER_ADDRESS if None.
        sweep: Its name, its directory on the cluster or its URI.
        to: The copy's directory; `sweeps/` and the sweep's name if None.
        extent: The trials whose checkpoints come along, "best", "all" or "none".

    Returns:
        The copy's directory.

    Raises:
        ClusterError: The cluster does not answer, or what arrived is not what was sent.
        SweepError: There is no such sweep, or the directory holds something else.
    """
    client = JobsClient(address)
    found = find_sweep(client, sweep)
    name = Path(found.directory.partition("?")[0]).name
    target = Path("sweeps", name) if to is None else to
    with _staging(target) as staging:
        copy = staging / "copy"
        copy.mkdir()
        directory = copy_from(client, found, copy, extent)
        time = datetime.now(timezone.utc).isoformat(timespec="seconds")
        write_note(copy, CopyNote(client.address, name, directory, time, journal_digest(copy)))
        check_replaceable(target, copy)
        _put(copy, target, staging)
    return target


def copy_from(client: JobsClient, found: RemoteSweep, copy: Path, extent: Extent) -> str:
    """Copies a sweep's files from a cluster into an empty folder.

    Args:
        client: The cluster.
        found: The sweep.
        copy: The folder.
        extent: The extent of the copy.

    Returns:
        The sweep's directory there.

    Raises:
        ClusterError: The cluster does not answer, or what arrived is not what was sent.
        SweepError: There is no such sweep.
    """
    return _copy_directly(found, copy, extent) or _copy_by_job(client, found, copy, extent)


@contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """A folder beside the target, on the same filesystem, which is gone afterwards."""
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _put(copy: Path, target: Path, staging: Path) -> None:
    if target.exists():
        target.rename(staging / "replaced")
    copy.rename(target)


def _copy_directly(found: RemoteSweep, copy: Path, extent: Extent) -> str | None:
    """Reads an object store from here; None where the sweep lies in none, or this machine may not read it."""
    if not is_uri(found.directory):
        return None
    location = locate(found.directory)
    if not isinstance(location, ObjectPath):
        return None
    with suppress(SweepError):
        if SweepDirectory(location).spec.is_file():
            copy_files(location, extent, copy)
            return str(location)
    return None


def _copy_by_job(client: JobsClient, found: RemoteSweep, copy: Path, extent: Extent) -> str:
    job = start_query_job(client, ["send", extent], found)
    try:
        sent = _archive_of(client, job)
        job = client.job(job.id) or job
        with tempfile.TemporaryFile(dir=copy.parent) as file:
            _download(client, job, sent, file)
            file.seek(0)
            read_archive(file, copy)
    finally:
        end_query_job(client, job)
    return str(sent.content["directory"])


def _archive_of(client: JobsClient, job: Job) -> Message:
    for found in follow(client, job.id):
        if isinstance(found, Message) and found.kind == "archive":
            return found
        if isinstance(found, Message) and found.kind == "result":
            output = as_output(found)
            raise SweepError(output.stderr.strip().removeprefix("error: ") or f"it ended with {output.code}")
    raise AssertionError("following a job ends with its result or an error")


def _download(client: JobsClient, job: Job, sent: Message, file: BinaryIO) -> None:
    digest = sha256()
    for chunk in client.read_file(str(sent.content["file"]), job.node):
        digest.update(chunk)
        file.write(chunk)
    if digest.hexdigest() != sent.content["sha256"]:
        raise ClusterError(
            f"{client.address}: of the {sent.content['bytes']:,} bytes that were sent {file.tell():,} have arrived, or"
            " others than were sent; fetch again."
        )
