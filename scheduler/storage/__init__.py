"""The sweep directory: its layout, the journal, the lock and the checkpoints."""

from .checkpoints import Checkpoint, Checkpoints, StagedCheckpoint
from .durable import write_file
from .journal import Journal, read_journal
from .journal_files import settle as settle_journal
from .layout import SweepDirectory
from .location import Location, is_uri, locate, uri_problem, without_secrets
from .lock import SweepLock, holder
from .object_path import ObjectPath
from .process import Holder

__all__ = [
    "Checkpoint",
    "Checkpoints",
    "Holder",
    "Journal",
    "Location",
    "ObjectPath",
    "StagedCheckpoint",
    "SweepDirectory",
    "SweepLock",
    "holder",
    "is_uri",
    "locate",
    "read_journal",
    "settle_journal",
    "uri_problem",
    "without_secrets",
    "write_file",
]
