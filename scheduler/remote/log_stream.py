"""The output of a job, as it comes, until the job ends."""

import codecs
import queue
import threading
import time
from collections.abc import Iterator

from ..errors import ClusterError, SweepError
from .client import Job, JobsClient
from .frames import LogReader, Message
from .remote import wait_for_end, without_result

_LOOK_S = 0.5
_SILENT_S = 2.0
"""After a job has ended nothing more is expected when its log was silent for so long."""
_PATIENCE_S = 5.0
"""The time for which a head may be out of reach before it counts as gone."""

_RAYS_OWN = ("Running entrypoint for job ",)
_RAYS_LOGGER = "INFO job_manager.py:"


def follow(client: JobsClient, submission_id: str) -> Iterator[str | Message]:
    """Lines and messages of a job's log from its beginning, the message `result` last.

    Args:
        client: The cluster.
        submission_id: The job's.

    Raises:
        ClusterError: The head is out of reach, or the job ended without a result.
    """
    log = _LogStream(client, submission_id)
    reader, decode = LogReader(), codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    for chunk in log.chunks():
        for found in reader.feed(decode(chunk)):
            is_result = isinstance(found, Message) and found.kind == "result"
            if is_result:
                # The reader may submit another job at once, for which this one has to have ended for Ray too.
                wait_for_end(client, log.look())
            if isinstance(found, Message) or not _is_rays(found):
                yield found
            if is_result:
                return
    yield from reader.end()
    raise without_result(client, log.look())


def _is_rays(line: str) -> bool:
    return line.startswith(_RAYS_OWN) or _RAYS_LOGGER in line


class _LogStream:
    """A job's log over connections that may be lost."""

    def __init__(self, client: JobsClient, submission_id: str) -> None:
        self._client, self._id = client, submission_id
        self._seen = 0
        """Bytes that have been given out."""

    def chunks(self) -> Iterator[bytes]:
        job = self._begun()
        while job.node is not None:
            yield from self._connected(job)
            job = self.look()
            if job.ended:
                return
            time.sleep(_LOOK_S)

    def look(self) -> Job:
        """The job as it is now, also where the head is out of reach for a moment."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                job = self._client.job(self._id)
            except ClusterError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_LOOK_S)
                continue
            if job is None:
                raise SweepError(f"{self._client.address}: there is no job {self._id} any more.")
            return job

    def _begun(self) -> Job:
        while True:
            job = self.look()
            if job.node is not None or job.ended:
                return job
            time.sleep(_LOOK_S)

    def _connected(self, job: Job) -> Iterator[bytes]:
        """The new output over one connection, which was not given out before; ends with it, or after the job."""
        arrived: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=_read, args=(self._client, job, arrived), daemon=True).start()
        passed, silent_since, ended = 0, time.monotonic(), False
        while not ended or time.monotonic() - silent_since < _SILENT_S:
            try:
                chunk = arrived.get(timeout=_LOOK_S)
            except queue.Empty:
                ended = ended or self.look().ended
                continue
            if chunk is None:
                return
            new = chunk[max(0, self._seen - passed) :]
            passed += len(chunk)
            self._seen = max(self._seen, passed)
            silent_since = time.monotonic()
            if new:
                yield new


def _read(client: JobsClient, job: Job, arrived: "queue.SimpleQueue[bytes | None]") -> None:
    """Reads in a thread of its own, since nothing may come for hours; None is the end of the connection."""
    try:
        for chunk in client.follow_log(job):
            arrived.put(chunk)
    except SweepError:
        pass  # the next look at the job shows what is wrong
    finally:
        arrived.put(None)
