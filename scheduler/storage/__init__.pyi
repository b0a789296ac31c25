"""The names that `__init__.py` imports when they are asked for, as type checkers see them."""

from .checkpoints import Checkpoint, Checkpoints, StagedCheckpoint
from .directory import SweepDirectory
from .durable import write_file
from .journal import Journal, read_journal
from .journal_files import file_name, folder_name, joined_file, read_file, run_bytes, run_files
from .journal_lines import Event, JournalFault, JournalFile
from .journal_reader import JournalReader
from .location import Location, exists, given_path, in_home, is_uri, locate, uri_problem, without_secrets
from .lock import SweepLock, holder
from .object_path import ObjectPath
from .outages import STORAGE_TIMEOUT_S, Outage, is_full, is_outage, outage_words, pauses
from .process import Holder

__all__ = [
    "STORAGE_TIMEOUT_S",
    "Checkpoint",
    "Checkpoints",
    "Event",
    "Holder",
    "Journal",
    "JournalFault",
    "JournalFile",
    "JournalReader",
    "Location",
    "ObjectPath",
    "Outage",
    "StagedCheckpoint",
    "SweepDirectory",
    "SweepLock",
    "exists",
    "file_name",
    "folder_name",
    "given_path",
    "holder",
    "in_home",
    "is_full",
    "is_outage",
    "is_uri",
    "joined_file",
    "locate",
    "outage_words",
    "pauses",
    "read_file",
    "read_journal",
    "run_bytes",
    "run_files",
    "uri_problem",
    "without_secrets",
    "write_file",
]
