"""The sweep directory: its layout, the journal, the lock and the checkpoints."""

from .checkpoints import Checkpoint, Checkpoints, StagedCheckpoint
from .durable import write_file
from .journal import Journal, read_journal
from .journal_lines import JournalFault, JournalFile, event_place, file_name, journal_files, read_file
from .layout import SweepDirectory
from .lock import Holder, SweepLock, holder

__all__ = [
    "Checkpoint",
    "Checkpoints",
    "Holder",
    "Journal",
    "JournalFault",
    "JournalFile",
    "StagedCheckpoint",
    "SweepDirectory",
    "SweepLock",
    "event_place",
    "file_name",
    "holder",
    "journal_files",
    "read_file",
    "read_journal",
    "write_file",
]
