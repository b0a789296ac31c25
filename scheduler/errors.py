"""Errors of sweeps; the whole tree is drawn in `caviar.search_spaces.errors`."""

from ..search_spaces.errors import CaviarError


class SweepError(CaviarError):
    """A sweep cannot be specified, opened or continued."""


class InvalidSpecError(SweepError, ValueError):
    """A field of the spec breaks a rule; the message names the field, the value and what is allowed."""


class SweepLockedError(SweepError):
    """Another process is running this sweep."""


class SweepStoppedError(SweepError):
    """A failure has stopped the sweep, as `on_error` says; it can be resumed."""


class JournalError(SweepError):
    """The journal cannot be trusted: a line other than a torn last one fails its checksum, or a replay disagrees."""


class ReplayError(JournalError):
    """A replay cannot follow the journal.

    Attributes:
        event: The index of the event that it cannot follow.
    """

    def __init__(self, event: int, message: str) -> None:
        super().__init__(message)
        self.event = event


class StorageError(SweepError):
    """The sweep's directory cannot be written, or its object store does not answer.

    A running sweep waits for it; what a run raises in the end says that waiting is of no use, or has lasted too long.
    """


class ObjectStoreError(StorageError):
    """An object store does not answer as it should, and may do so later.

    Attributes:
        where: The URI.
        reason: What is wrong.
    """

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(where, reason)
        self.where, self.reason = where, reason

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}; try again later."


class ResultsError(SweepError):
    """A result set cannot be read, or holds nothing that answers the question."""


class WorkerError(SweepError):
    """Workers cannot be started or kept."""


class ClusterError(SweepError):
    """A cluster's head does not answer, or not as it should."""
