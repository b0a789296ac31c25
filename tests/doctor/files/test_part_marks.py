"""What the journal notes of parts: every part of every run, across runs that are killed while they drop reports."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from caviar.scheduler import Sweep
from caviar.scheduler.doctor.files import examine
from caviar.scheduler.errors import ReplayError
from caviar.scheduler.execution.record import DurableRecord
from caviar.scheduler.lifecycle import run as running
from caviar.scheduler.lifecycle.prior import recorded_prior
from caviar.scheduler.results import find_parts, found_parts, marks_to_note, recorded_parts
from caviar.scheduler.results.part_marks import PartMark
from caviar.scheduler.storage import SweepDirectory, durable, read_journal

from .conftest import Make, new_sweep, tables, train


class Killed(BaseException):
    """The process ends here."""


def test_the_journal_knows_every_part_of_a_sweep_its_spec_and_its_prior(originals: Path) -> None:
    for name in ("finished", "learning"):
        directory = SweepDirectory(originals / name)
        events = read_journal(directory.journal)
        marks = {number: marks[-1] for number, marks in recorded_parts(events).items()}
        assert list(marks.values()) == [part.mark for part in find_parts(directory, {})]
        assert events[0]["spec"] == directory.spec.read_text()
        assert (recorded_prior(events) is not None) == (name == "learning")


def kill_before_the_journal(storage: Path, patch: pytest.MonkeyPatch, commits: int) -> SweepDirectory:
    """A run that is killed after it wrote a part, and before the journal says so."""
    real, left = DurableRecord.commit, iter(range(commits))

    def commit(self: DurableRecord, now: float) -> Any:
        if next(left, None) is None:
            self._writer.flush()
            self._journal._sink.close()
            raise Killed
        return real(self, now)

    with patch.context() as patched:
        patched.setattr(DurableRecord, "commit", commit)
        with pytest.raises(Killed):
            new_sweep(storage, "killed").run()
    return SweepDirectory(storage / "killed")


@pytest.mark.parametrize("commits", [0, 5])
@pytest.mark.parametrize("rewritten", [0, 1])
def test_a_run_that_is_killed_while_it_drops_reports_is_no_damage(
    commits: int, rewritten: int, tmp_path: Path, expected: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = kill_before_the_journal(tmp_path, monkeypatch, commits)
    found = examine(directory.path)
    assert found.healthy
    assert any("no outcome covers" in finding.problem for finding in found.findings)

    real, left = durable.write_file, iter(range(rewritten))

    def write(*arguments: Any) -> None:
        if next(left, None) is None:
            raise Killed
        real(*arguments)

    for _ in range(2):
        with monkeypatch.context() as patched:
            patched.setattr(found_parts, "write_file", write)
            patched.setattr(running, "SweepLoop", kill)
            with pytest.raises(Killed):
                Sweep.resume(directory.path, trainer=train).run()
        assert examine(directory.path).healthy
    Sweep.resume(directory.path, trainer=train).run()
    assert tables(Path(str(directory.path))) == expected["finished"]
    assert not examine(directory.path).findings


def kill(*_: object) -> None:
    raise Killed


def test_a_part_of_an_old_journal_is_known_from_the_next_resume_on(copy_of: Make) -> None:
    directory = SweepDirectory(copy_of("stopped"))
    (directory.journal / "000001.jsonl").unlink()
    assert not recorded_parts(read_journal(directory.journal))
    parts = find_parts(directory, {})
    before = {part.mark.number: [part.mark] for part in parts}
    noted = marks_to_note(parts, dict.fromkeys(range(100), 100), {})
    assert recorded_parts([{"type": "opened", "parts": [mark.to_json() for mark in noted]}]) == before
    assert [part.mark for part in find_parts(directory, before)] == [part.mark for part in parts]


def test_while_reports_are_being_dropped_a_part_may_be_as_before_or_as_it_will_be() -> None:
    before, after, later = PartMark(3, 9, "aa"), PartMark(3, 5, "bb"), PartMark(4, 1, "cc")
    flushed = {"type": "flushed", "parts": [before.to_json()]}
    opened = {"type": "opened", "parts": [after.to_json()]}
    repaired = {"type": "repaired", "parts": [later.to_json()], "removed": []}
    assert recorded_parts([flushed, opened]) == {3: [before, after]}
    assert recorded_parts([flushed, opened, repaired]) == {3: [before, after], 4: [later]}
    assert recorded_parts([flushed, opened, {"type": "decided"}]) == {3: [after]}
    assert recorded_parts([flushed, {"type": "opened", "parts": []}]) == {3: [before]}
    assert recorded_parts([flushed, {"type": "repaired", "removed": [3]}]) == {}
    with pytest.raises(ReplayError, match="says nothing of parts"):
        recorded_parts([{"type": "flushed", "parts": [[1]]}])
