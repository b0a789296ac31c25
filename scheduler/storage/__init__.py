"""The sweep directory: its layout, the journal, the lock and the checkpoints.

Nothing is imported before it is asked for: to stop a sweep takes no checkpoints.
"""

from importlib import import_module
from typing import Any

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
    "journal_files": "journal_files",
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
"""The module of each name; `__init__.pyi` says the same to type checkers."""

__all__ = list(_PLACES)


def __getattr__(name: str) -> Any:
    """Imports what the package offers when it is asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACES[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *_PLACES]
