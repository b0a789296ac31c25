"""The sweep directory: its layout, the journal, the lock and the checkpoints."""

from .checkpoints import Checkpoint, Checkpoints, StagedCheckpoint
from .durable import write_file
from .journal import Journal, read_journal
from .layout import SweepDirectory
from .lock import Holder, SweepLock, holder

__all__ = [
    "Checkpoint",
    "Checkpoints",
    "Holder",
    "Journal",
    "StagedCheckpoint",
    "SweepDirectory",
    "SweepLock",
    "holder",
    "read_journal",
    "write_file",
]
