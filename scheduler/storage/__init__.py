"""The sweep directory: its layout, the journal, the lock and the checkpoints."""

from .checkpoints import Checkpoint, Checkpoints
from .durable import write_file
from .journal import Journal, read_journal
from .layout import SweepDirectory
from .lock import Holder, SweepLock, holder

__all__ = [
    "Checkpoint",
    "Checkpoints",
    "Holder",
    "Journal",
    "SweepDirectory",
    "SweepLock",
    "holder",
    "read_journal",
    "write_file",
]
