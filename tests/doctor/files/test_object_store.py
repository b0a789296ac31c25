"""Examining a sweep in an object store; a copy of it on a disk is repaired there."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from caviar.scheduler.doctor.files import Severity, examine, repair
from caviar.scheduler.errors import SweepError
from caviar.scheduler.storage import ObjectPath, locate

pytestmark = pytest.mark.slow

Make = Callable[[str], Path]


def as_objects(journal: Path, events: int) -> None:
    """Makes the journal what a run in an object store leaves that was killed: an object a commit."""
    lines = (journal / "000001.jsonl").read_bytes().splitlines(keepends=True)
    (journal / "000001").mkdir()
    for number, begin in enumerate(range(0, len(lines), events), start=1):
        (journal / "000001" / f"{number:08d}.jsonl").write_bytes(b"".join(lines[begin : begin + events]))
    (journal / "000001.jsonl").unlink()


def upload(folder: Path, target: ObjectPath) -> None:
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "lock"):
        (target / file.relative_to(folder).as_posix()).upload(file)


def test_a_sweep_in_an_object_store_is_examined_there(copy_of: Make, prefix: str) -> None:
    uri, local = f"{prefix}/stopped", copy_of("stopped")
    as_objects(local / "journal", 7)
    where = locate(uri)
    assert isinstance(where, ObjectPath)
    upload(local, where)
    assert [finding.problem for finding in examine(uri).findings] == [f.problem for f in examine(local).findings]
    assert examine(uri).healthy

    for name in ("results/part-000001.parquet", "journal/000001/00000002.jsonl", "checkpoints/0/1/weights"):
        damaged = where / name
        data = damaged.read_bytes()
        damaged.write_bytes(data[:30] + bytes([data[30] ^ 1]) + data[31:])
    broken = [finding for finding in examine(uri).findings if finding.severity is Severity.BROKEN]
    assert {str(finding.path) for finding in broken} >= {
        f"{uri}/journal/000001/00000002.jsonl",
        f"{uri}/checkpoints/0/1",
    }
    with pytest.raises(SweepError, match="copy the sweep to a disk and repair it there"):
        repair(uri)


@pytest.mark.parametrize("damage", ["changed", "lost"])
def test_a_copy_with_the_objects_of_a_killed_run_is_repaired_and_ends_the_same(
    copy_of: Make,
    expected: Mapping[str, Any],
    resumed_tables: Callable[[Path], Any],
    damage: str,
) -> None:
    directory = copy_of("stopped")
    as_objects(directory / "journal", 2)
    victim = directory / "journal/000001/00000003.jsonl"
    if damage == "lost":
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes().replace(b'{"crc32":', b'{"crc33":', 1))
    broken = [finding.path for finding in examine(directory).findings if finding.severity is Severity.BROKEN]
    assert broken[0] == victim
    assert repair(directory).after.healthy
    assert not (directory / "journal/000001").exists()
    assert resumed_tables(directory) == expected["stopped"]
