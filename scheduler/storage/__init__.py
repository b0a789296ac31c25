"""The sweep directory: its layout, the journal, the lock and the checkpoints."""

from .checkpoints import Checkpoint, Checkpoints, StagedCheckpoint
from .durable import write_file
from .journal import Journal, read_journal
from .journal_lines import JournalFault, JournalFile, event_place, file_name, journal_files, read_file
from .layout import SweepDirectory
from .lock import Holder, SweepLock, holder
from .outages import STORAGE_TIMEOUT_S, Outage, is_full, is_outage, outage_words, pauses

__all__ = [
    "STORAGE_TIMEOUT_S",
    "Checkpoint",
    "Checkpoints",
    "Holder",
    "Journal",
    "JournalFault",
    "JournalFile",
    "Outage",
    "StagedCheckpoint",
    "SweepDirectory",
    "SweepLock",
    "event_place",
    "file_name",
    "holder",
    "is_full",
    "is_outage",
    "journal_files",
    "outage_words",
    "pauses",
    "read_file",
    "read_journal",
    "write_file",
]
