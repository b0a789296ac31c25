"""The journal gives back exactly what was committed, or says where it cannot be trusted."""

import json
import os
import re
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caviar.scheduler.errors import JournalError
from caviar.scheduler.storage import Journal, JournalReader, read_journal
from caviar.scheduler.storage.journal_lines import line_of

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=6,
)
events = st.lists(st.dictionaries(st.text(), json_values, max_size=4), min_size=1, max_size=6)


def write(directory: Path, events: list[dict[str, Any]]) -> Path:
    with Journal.open(directory) as journal:
        for event in events:
            journal.append(event)
    assert isinstance(journal.path, Path)
    return journal.path


def test_events_come_back_in_order_over_all_runs(tmp_path: Path) -> None:
    write(tmp_path, [{"n": 1}, {"n": 2}])
    write(tmp_path, [])
    write(tmp_path, [{"n": 3}])

    assert read_journal(tmp_path) == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000001.jsonl", "000002.jsonl", "000003.jsonl"]


def test_a_journal_that_was_read_is_put_in_order_and_takes_the_next_run(
    tmp_path: Path,
) -> None:
    write(tmp_path, [{"n": 1}])
    path = write(tmp_path, [{"n": 2}, {"n": 3}])
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    reader = JournalReader(tmp_path)
    assert reader.read() == reader.events == [{"n": 1}, {"n": 2}]
    reader.repair_tail()
    assert path.read_bytes() == whole[: whole.index(b"\n") + 1]
    with Journal.open(tmp_path, runs=reader.runs) as journal:
        journal.append({"n": 4})
    assert read_journal(tmp_path) == [{"n": 1}, {"n": 2}, {"n": 4}]
    assert reader.read() == [{"n": 4}]
    assert reader.runs == 3
    assert JournalReader(tmp_path / "none").read() == []


def test_a_sweep_without_a_journal_has_no_events(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "journal") == []


def test_every_line_is_json_that_other_tools_can_read(tmp_path: Path) -> None:
    path = write(tmp_path, [{"type": "assigned", "trial": 3}])

    (line,) = path.read_text().splitlines()
    assert json.loads(line)["event"] == {"type": "assigned", "trial": 3}


def test_events_are_pending_until_one_write_and_one_sync_commit_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    write_bytes, fsync = os.write, os.fsync

    def recorded_write(descriptor: int, data: memoryview) -> int:
        calls.append("write")
        return write_bytes(descriptor, data)

    def recorded_fsync(descriptor: int) -> None:
        calls.append("fsync")
        fsync(descriptor)

    with Journal.open(tmp_path) as journal:
        monkeypatch.setattr(os, "write", recorded_write)
        monkeypatch.setattr(os, "fsync", recorded_fsync)
        for number in range(100):
            journal.append({"n": number})
        assert journal.pending
        assert read_journal(tmp_path) == []

        journal.commit()
        journal.commit()

        assert not journal.pending
        assert calls == ["write", "fsync"]
    assert len(read_journal(tmp_path)) == 100


def test_what_json_cannot_say_is_written_as_null_or_a_question_mark(tmp_path: Path) -> None:
    write(tmp_path, [{"value": float("nan"), "error": "cannot open '\udcff.npz'", "steps": ("\ud800", 1)}])

    assert read_journal(tmp_path) == [{"value": None, "error": "cannot open '?.npz'", "steps": ["?", 1]}]


def test_a_closed_journal_takes_no_more_events(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    journal.close()
    journal.close()

    with pytest.raises(JournalError, match=r"000001\.jsonl is closed"):
        journal.append({})


def test_what_a_full_disk_cuts_off_is_written_once_when_there_is_space_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(tmp_path)
    journal.append({"n": 1})
    journal.commit()
    journal.append({"n": 2})
    write_bytes = os.write

    def half(descriptor: int, data: memoryview) -> int:
        if len(data) < 30:
            raise OSError(28, "No space left on device")
        return write_bytes(descriptor, data[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        for _ in range(2):
            with pytest.raises(OSError, match=r"No space left on device: '.*000001\.jsonl'"):
                journal.commit()
    assert journal.pending
    assert read_journal(tmp_path) == [{"n": 1}]
    journal.append({"n": 3})
    journal.commit()
    journal.close()
    assert read_journal(tmp_path) == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_lines_whose_flush_failed_are_written_anew_before_the_next_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    write_bytes, fsync, truncate = os.write, os.fsync, os.ftruncate

    def failing(descriptor: int) -> None:
        calls.append("fsync")
        if calls.count("fsync") == 1:
            raise OSError(5, "Input/output error")
        fsync(descriptor)

    journal = Journal.open(tmp_path)
    journal.append({"n": 1})
    monkeypatch.setattr(os, "fsync", failing)

    def noted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*of: Any) -> Any:
            calls.append(name)
            return call(*of)

        return run

    monkeypatch.setattr(os, "write", noted("write", write_bytes))
    monkeypatch.setattr(os, "ftruncate", noted("truncate", truncate))
    with pytest.raises(OSError, match="Input/output error"):
        journal.commit()
    journal.commit()
    monkeypatch.undo()
    journal.close()
    assert calls == ["write", "fsync", "truncate", "write", "fsync"]
    assert read_journal(tmp_path) == [{"n": 1}]


def test_a_journal_on_storage_that_was_away_is_opened_again_unless_it_came_back_shorter(tmp_path: Path) -> None:
    folder, away = tmp_path / "journal", tmp_path / "away"
    journal = Journal.open(folder)
    journal.append({"n": 1})
    journal.commit()
    journal.append({"n": 2})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(116, "Stale file handle")))
        with pytest.raises(OSError, match="Stale file handle"):
            journal.commit()
    folder.rename(away)
    with pytest.raises(FileNotFoundError, match="000001"):
        journal.commit()
    away.rename(folder)
    journal.commit()
    assert read_journal(folder) == [{"n": 1}, {"n": 2}]
    journal.append({"n": 3})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        with pytest.raises(OSError, match="Input/output error"):
            journal.commit()
    os.truncate(folder / "000001.jsonl", 10)
    with pytest.raises(JournalError, match=r"000001\.jsonl has 10 bytes where \d+ were recorded: put the file back"):
        journal.commit()


faults = st.lists(st.tuples(st.sampled_from(["write", "half", "fsync", "ftruncate", "ok"]), st.booleans()), max_size=12)


@settings(deadline=None, max_examples=100)
@given(faults)
def test_whatever_fails_and_however_often_each_event_is_there_once_and_in_order(
    faults: list[tuple[str, bool]],
) -> None:
    calls = {name: getattr(os, name) for name in ("write", "fsync", "ftruncate")}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        journal, committed = Journal.open(Path(folder)), 0
        for number, (fault, interrupted) in enumerate(faults):
            journal.append({"n": number})
            error: BaseException = KeyboardInterrupt() if interrupted else OSError(28, "No space left on device")

            def broken(*of: Any, fault: str = fault, error: BaseException = error) -> None:
                if fault == "half":
                    calls["write"](of[0], of[1][: len(of[1]) // 2])
                raise error

            name = "write" if fault == "half" else fault
            with patch.context() as once:
                if name != "ok":
                    once.setattr(os, name, broken)
                try:
                    journal.commit()
                    committed = number + 1
                except (OSError, KeyboardInterrupt):
                    assert journal.pending
            assert [event["n"] for event in read_journal(Path(folder))][:committed] == list(range(committed))
        journal.close()
        assert read_journal(Path(folder)) == [{"n": number} for number in range(len(faults))]


@settings(deadline=None, max_examples=50)
@given(events)
def test_any_json_object_comes_back_equal(events: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), events)

        assert read_journal(Path(folder)) == events


@settings(deadline=None, max_examples=50)
@given(events, st.data())
def test_a_last_line_torn_at_any_byte_is_cut_off_and_the_sweep_goes_on(
    events: list[dict[str, Any]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), events)
        content = path.read_bytes()
        start = content[:-1].rfind(b"\n") + 1
        path.write_bytes(content[: data.draw(st.integers(start, len(content) - 1))])

        assert read_journal(Path(folder)) == events[:-1]
        write(Path(folder), [{"resumed": True}])

        assert read_journal(Path(folder)) == [*events[:-1], {"resumed": True}]
        assert path.read_bytes() == content[:start]


@settings(deadline=None, max_examples=50)
@given(events, st.data())
def test_any_flipped_byte_is_refused_with_file_and_line(events: list[dict[str, Any]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), [*events, {"last": True}])
        content = bytearray(path.read_bytes())
        earlier = bytes(content[:-1]).rfind(b"\n") + 1
        at = data.draw(st.integers(0, earlier - 1))
        line = bytes(content[:at]).count(b"\n") + 1
        content[at] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)

        with pytest.raises(JournalError, match=rf"{re.escape(str(path))}, line {line}: .* put the file back"):
            read_journal(Path(folder))


@pytest.mark.parametrize(
    "torn", [b"", b'{"crc32":"00000000","event":{"type":"decided","free":{}'], ids=["whole", "torn"]
)
def test_a_flip_of_any_byte_is_refused_and_of_a_torn_line_only_what_was_never_acknowledged_goes(
    tmp_path: Path, torn: bytes
) -> None:
    events: list[dict[str, Any]] = [{"type": "opened"}, {"ended": [{"trial": 3}, {}]}, {"n": {}}]
    path = write(tmp_path, events)
    committed = path.read_bytes()
    for at, byte in enumerate(committed + torn):
        for other in {byte ^ 1, byte ^ 128, ord("\n"), ord("}")} - {byte}:
            changed = bytearray(committed + torn)
            changed[at] = other
            path.write_bytes(changed)
            if at < len(committed) or other == ord("\n"):
                with pytest.raises(JournalError, match=r"000001\.jsonl, line [1-4]: .*caviar doctor"):
                    read_journal(tmp_path)
                with pytest.raises(JournalError, match=r"000001\.jsonl, line [1-4]:"):
                    Journal.open(tmp_path)
            else:
                assert read_journal(tmp_path) == events
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("hostile", [b"[" * 5000, b'{"a":1}{', b"[1]", b'"text"', b'{"a":\xff}', b"", b"nan"])
def test_what_is_no_event_is_refused_even_with_a_right_checksum(tmp_path: Path, hostile: bytes) -> None:
    (tmp_path / "000001.jsonl").write_bytes(line_of(zlib.crc32(hostile), hostile))
    with pytest.raises(JournalError, match=r"000001\.jsonl, line 1: it (is no JSON|holds no event)"):
        read_journal(tmp_path)


def test_a_torn_line_in_a_file_that_others_follow_is_refused(tmp_path: Path) -> None:
    first = write(tmp_path, [{"n": 1}, {"n": 2}])
    write(tmp_path, [{"n": 3}])
    first.write_bytes(first.read_bytes()[:-5])

    with pytest.raises(JournalError, match=r"000001\.jsonl, line 2:"):
        read_journal(tmp_path)


@pytest.mark.parametrize("change", ["lost", "repeated", "swapped"])
def test_lines_that_are_lost_repeated_or_out_of_order_are_refused(tmp_path: Path, change: str) -> None:
    path = write(tmp_path, [{"n": 1}, {"n": 2}, {"n": 3}])
    first, second, third = path.read_bytes().splitlines(keepends=True)
    changed = {"lost": [first, third], "repeated": [first, second, second, third], "swapped": [first, third, second]}
    path.write_bytes(b"".join(changed[change]))

    with pytest.raises(JournalError, match=r"000001\.jsonl, line [23]:"):
        read_journal(tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path, [{"n": 1}])
    lost = write(tmp_path, [{"n": 2}])
    write(tmp_path, [{"n": 3}])
    lost.unlink()

    with pytest.raises(JournalError, match=r"000002\.jsonl is missing, and 000003\.jsonl follows it"):
        read_journal(tmp_path)


def test_ctrl_c_in_the_middle_of_a_commit_leaves_a_journal_that_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    journal = Journal.open(tmp_path / "journal")
    journal.append({"n": 1})
    journal.commit()
    journal.append({"n": 2})
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            journal.commit()
    journal.close()
    assert read_journal(tmp_path / "journal") == [{"n": 1}, {"n": 2}]
