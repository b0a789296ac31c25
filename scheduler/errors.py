"""Errors of sweeps; the whole tree is drawn in `caviar.search_spaces.errors`."""

from ..search_spaces.errors import CaviarError


class SweepError(CaviarError):
    """A sweep cannot be specified, opened or continued."""


class InvalidSpecError(SweepError, ValueError):
    """A field of the spec breaks a rule; the message names the field, the value and what is allowed."""


class SweepLockedError(SweepError):
    """Another process is running this sweep."""


class JournalError(SweepError):
    """The journal cannot be trusted: a line other than a torn last one fails its checksum, or a replay disagrees."""


class StorageError(SweepError):
    """The object store that a sweep lies in does not answer as it should."""


class ResultsError(SweepError):
    """A result set cannot be read, or holds nothing that answers the question."""


class WorkerError(SweepError):
    """Workers cannot be started or kept."""
