"""Copies of sweeps that run on a cluster: where they are from, and whether they may be replaced."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from ..errors import SweepError
from ..storage import Location, SweepDirectory, exists, holder, read_journal
from ..storage.durable import list_folder

_FILE = "fetched.json"


@dataclass(frozen=True, slots=True)
class CopyNote:
    """The note in a copy of a sweep about its origin.

    Attributes:
        address: The URL of the cluster's dashboard.
        sweep: The sweep's name there.
        directory: Its directory there.
        time: The time of the fetch, in ISO 8601.
        journal: The digest of its journal then.
    """

    address: str
    sweep: str
    directory: str
    time: str
    journal: str

    def __str__(self) -> str:
        return f"a copy of {self.sweep} on {self.address}, fetched {self.time}"


def write_note(copy: Path, note: CopyNote) -> None:
    """Writes the note into a copy."""
    (copy / _FILE).write_bytes(orjson.dumps(asdict(note), option=orjson.OPT_INDENT_2))


def read_note(directory: Location) -> CopyNote | None:
    """The note in a copy; None for a sweep that is no copy."""
    try:
        fields = orjson.loads((directory / _FILE).read_bytes())
        return CopyNote(**{name: str(fields[name]) for name in CopyNote.__dataclass_fields__})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def journal_digest(copy: Path) -> str:
    """The digest of a sweep's journal, which any addition to the sweep changes."""
    digest = hashlib.sha256()
    for path in sorted((copy / "journal").rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(copy).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def check_replaceable(old: Path, new: Path) -> None:
    """Makes sure that a directory is an older copy of the same sweep.

    Args:
        old: The directory that would be replaced; it need not exist.
        new: The copy that would take its place.

    Raises:
        SweepError: It is anything else, or the sweep has gone on in it.
    """
    if not exists(old) or (old.is_dir() and not list_folder(old)):
        return
    note = read_note(old)
    if note is None:
        raise SweepError(f"{old} is there already and no copy of this sweep: name another folder with --to.")
    if note.journal != journal_digest(old) or holder(SweepDirectory(old).lock) is not None:
        raise SweepError(f"{old} is {note}, and has gone on here since: name another folder with --to.")
    if not _same_sweep(old, new):
        raise SweepError(f"{old} is {note}, which is another sweep of this name: name another folder with --to.")


def _same_sweep(old: Path, new: Path) -> bool:
    first, second = (read_journal(SweepDirectory(copy).journal)[:1] for copy in (old, new))
    return not first or first == second
