"""The sweep directory: its layout, the journal, the lock and the checkpoints."""

from .checkpoints import Checkpoint, Checkpoints, StagedCheckpoint
from .durable import write_file
from .journal import Journal, read_journal
from .layout import SweepDirectory
from .lock import Holder, SweepLock, holder
from .outages import STORAGE_TIMEOUT_S, Outage, is_full, is_outage, outage_words, pauses

__all__ = [
    "STORAGE_TIMEOUT_S",
    "Checkpoint",
    "Checkpoints",
    "Holder",
    "Journal",
    "Outage",
    "StagedCheckpoint",
    "SweepDirectory",
    "SweepLock",
    "holder",
    "is_full",
    "is_outage",
    "outage_words",
    "pauses",
    "read_journal",
    "write_file",
]
