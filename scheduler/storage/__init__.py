"""The sweep directory: its layout, the journal, the lock and the checkpoints.

Nothing is imported before it is asked for: to stop a sweep takes no checkpoints.
"""

from ...search_spaces.lazy_names import lazy_names

_PLACES = {
    "STORAGE_TIMEOUT_S": "outages",
    "Checkpoint": "checkpoints",
    "Checkpoints": "checkpoints",
    "Event": "journal_lines",
    "Holder": "process",
    "Journal": "journal",
    "JournalFault": "journal_lines",
    "JournalFile": "journal_lines",
    "JournalReader": "journal_reader",
    "Location": "location",
    "ObjectPath": "object_path",
    "Outage": "outages",
    "StagedCheckpoint": "checkpoints",
    "SweepDirectory": "directory",
    "SweepLock": "lock",
    "exists": "location",
    "file_name": "journal_files",
    "folder_name": "journal_files",
    "given_path": "location",
    "holder": "lock",
    "in_home": "location",
    "is_full": "outages",
    "is_outage": "outages",
    "is_uri": "location",
    "joined_file": "journal_files",
    "run_files": "journal_files",
    "locate": "location",
    "outage_words": "outages",
    "pauses": "outages",
    "read_file": "journal_files",
    "read_journal": "journal",
    "run_bytes": "journal_files",
    "uri_problem": "location",
    "without_secrets": "location",
    "write_file": "durable",
}
"""The module of each name."""

__all__ = list(_PLACES)

__getattr__, __dir__ = lazy_names(__name__, _PLACES)
