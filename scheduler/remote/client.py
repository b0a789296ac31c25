"""Ray's Jobs API: jobs submitted, looked at and followed, packages uploaded, files of the head's log folder read."""

import http.client
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from ..errors import ClusterError, SweepError
from .connection import Connection, NotThereError, find_token, given_address

_ENDED = {"SUCCEEDED", "FAILED", "STOPPED"}
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the head describes it.

    Attributes:
        id: Its submission id.
        status: PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED.
        message: Ray's words on its state.
        metadata: The metadata that were submitted with it.
        runtime_env: Its runtime environment.
        node: The node on which it runs; None before it does.
        end: The time of its end, in milliseconds since 1970; None before.
    """

    id: str
    status: str
    message: str
    metadata: Mapping[str, str]
    runtime_env: Mapping[str, Any]
    node: str | None
    end: int | None

    @property
    def ended(self) -> bool:
        """True once the job has ended."""
        return self.status in _ENDED

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Job":
        """Reads the head's JSON."""
        return cls(
            id=fields.get("submission_id") or "",
            status=fields.get("status") or "",
            message=fields.get("message") or "",
            metadata=fields.get("metadata") or {},
            runtime_env=fields.get("runtime_env") or {},
            node=fields.get("driver_node_id"),
            end=fields.get("end_time"),
        )


@dataclass(frozen=True, slots=True)
class Package:
    """Files that the nodes unpack before a job begins.

    Attributes:
        name: Its name, which follows from the content.
        data: A zip archive.
    """

    name: str
    data: bytes

    @property
    def uri(self) -> str:
        """The package's name in a runtime environment."""
        return f"gcs://{self.name}"


class JobsClient:
    """The jobs of one cluster.

    Args:
        address: The URL of its dashboard; that of RAY_API_SERVER_ADDRESS if None.

    Raises:
        ClusterError: No head with a Jobs API answers there.
        SweepError: There is no address, or the token is missing or another's.
    """

    def __init__(self, address: str | None) -> None:
        self._connection = Connection(given_address(address), find_token())
        self.authentication = self._connection.check()
        """The cluster's authentication, "token" or "disabled"."""

    @property
    def address(self) -> str:
        """The URL of the dashboard."""
        return self._connection.address

    def submit(
        self, submission_id: str, entrypoint: str, runtime_env: Mapping[str, Any], metadata: Mapping[str, str]
    ) -> bool:
        """Submits a job that takes no CPU of its own.

        Returns:
            True where it was new, False where a job has had this id before.

        Raises:
            ClusterError: The head does not answer, or not as it should.
        """
        body = {
            "submission_id": submission_id,
            "entrypoint": entrypoint,
            "runtime_env": {**runtime_env, "env_vars": {"RAY_AUTH_MODE": self.authentication}},
            "metadata": metadata,
            # No CPU of its own: a head often has none.
            "entrypoint_num_cpus": 0,
        }
        try:
            self._connection.ask("POST", "/api/jobs/", body)
        except ClusterError as error:
            if self.job(submission_id) is None:
                raise
            if "already exists" not in str(error):
                raise
            return False
        return True

    def job(self, submission_id: str) -> Job | None:
        """A job; None where there is none of this id."""
        try:
            return Job.of(self._connection.ask("GET", f"/api/jobs/{quote(submission_id)}"))
        except NotThereError:
            return None

    def jobs(self) -> Sequence[Job]:
        """All jobs that were submitted to this cluster."""
        return [Job.of(fields) for fields in self._connection.ask("GET", "/api/jobs/") if fields.get("submission_id")]

    def log(self, submission_id: str) -> str:
        """All that a job has printed."""
        try:
            logs: str = self._connection.ask("GET", f"/api/jobs/{quote(submission_id)}/logs")["logs"]
        except NotThereError:
            return ""
        return logs

    def stop(self, submission_id: str) -> None:
        """Has Ray end a job: SIGTERM, and SIGKILL three seconds later."""
        with suppress(NotThereError):
            self._connection.ask("POST", f"/api/jobs/{quote(submission_id)}/stop")

    def forget(self, submission_id: str) -> None:
        """Takes a job that ended a while ago out of the list; Ray would bring back one that has just ended."""
        with suppress(SweepError):
            self._connection.ask("DELETE", f"/api/jobs/{quote(submission_id)}")

    def has(self, uri: str) -> bool:
        """True where the cluster still has a package; it then keeps it for ten minutes at least."""
        try:
            self._connection.ask("GET", f"/api/packages/gcs/{quote(uri.removeprefix('gcs://'))}")
        except NotThereError:
            return False
        return True

    def upload(self, package: Package) -> None:
        """Uploads a package that the cluster does not have."""
        if not self.has(package.uri):
            self._connection.ask_raw("PUT", f"/api/packages/gcs/{quote(package.name)}", package.data)

    def follow_log(self, job: Job) -> Iterator[bytes]:
        """The output of a job that has a node, from its beginning on and as it comes; does not end by itself.

        Raises:
            ClusterError: The connection is lost.
        """
        yield from self._stream("stream", f"job-driver-{job.id}.log", job.node, timeout=None)

    def read_file(self, name: str, node: str | None) -> Iterator[bytes]:
        """A file in the log folder of a node.

        Raises:
            ClusterError: The connection is lost.
        """
        yield from self._stream("file", name, node, timeout=120.0)

    def _stream(self, kind: str, name: str, node: str | None, timeout: float | None) -> Iterator[bytes]:
        interval = {"interval": 0.25} if kind == "stream" else {}
        query = urlencode({"node_id": node, "filename": name, "lines": -1, **interval})
        with self._connection.opened("GET", f"/api/v0/logs/{kind}?{query}", timeout=timeout) as answer:
            while True:
                try:
                    chunk = answer.read1(_CHUNK)
                except (OSError, ValueError, AttributeError, http.client.HTTPException) as error:
                    raise self._connection.lost(error) from None
                if not chunk:
                    return
                yield chunk
