"""Every kind of file torn, lost or changed: doctor names it, --repair mends it, and resume ends with the same."""

import re
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from caviar.scheduler import Results, Sweep
from caviar.scheduler.doctor.files import Diagnosis, Finding, Severity, examine, quarantine, repair
from caviar.scheduler.errors import SweepError, SweepLockedError
from caviar.scheduler.execution.snapshot import RunSnapshot
from caviar.scheduler.storage import durable, read_journal
from caviar.scheduler.storage.journal_lines import line_of

from .conftest import Make, new_sweep, train

pytestmark = pytest.mark.slow

Damage = Callable[[Path], None]
Resume = Callable[[Path], Any]

PART = "results/part-000005.parquet"
JOURNAL = "journal/000001.jsonl"


def torn(name: str) -> Damage:
    """A write that ended in the middle of the file."""

    def tear(sweep: Path) -> None:
        content = (sweep / name).read_bytes()
        (sweep / name).write_bytes(content[: len(content) // 2])

    return tear


def lost(name: str) -> Damage:
    return lambda sweep: (sweep / name).unlink()


def flipped(name: str, at: float = 0.5) -> Damage:
    """One bit of the file has changed."""

    def flip(sweep: Path) -> None:
        content = bytearray((sweep / name).read_bytes())
        content[int(len(content) * at)] ^= 4
        (sweep / name).write_bytes(content)

    return flip


def added(name: str, content: bytes = b"half a") -> Damage:
    def add(sweep: Path) -> None:
        (sweep / name).parent.mkdir(parents=True, exist_ok=True)
        (sweep / name).write_bytes(content)

    return add


def copied(name: str, other: str) -> Damage:
    def copy(sweep: Path) -> None:
        shutil.copy(sweep / name, sweep / other)

    return copy


def moved(name: str, other: str) -> Damage:
    def move(sweep: Path) -> None:
        (sweep / name).rename(sweep / other)

    return move


def all_of(*damages: Damage) -> Damage:
    def damage_all(sweep: Path) -> None:
        for damage in damages:
            damage(sweep)

    return damage_all


def no_parts(sweep: Path) -> None:
    for path in (sweep / "results").iterdir():
        path.unlink()


def another_seed(sweep: Path) -> None:
    text = (sweep / "sweep.yaml").read_text()
    assert "seed: 7" in text
    (sweep / "sweep.yaml").write_text(text.replace("seed: 7", "seed: 8"))


def torn_line(sweep: Path) -> None:
    with (sweep / JOURNAL).open("ab") as file:
        file.write(b'{"crc32":"00000000","event":{"type":"ended","outc')


def line(sweep: Path, number: int, change: Callable[[bytes], bytes]) -> None:
    lines = (sweep / JOURNAL).read_bytes().splitlines(keepends=True)
    lines[number - 1] = change(lines[number - 1])
    (sweep / JOURNAL).write_bytes(b"".join(lines))


def line_changed(sweep: Path) -> None:
    line(sweep, 30, lambda content: content.replace(b"e", b"E", 1))


def last_line_feed_changed(sweep: Path) -> None:
    content = (sweep / JOURNAL).read_bytes()
    (sweep / JOURNAL).write_bytes(content[:-1] + b"\x0b")


def sealed(events: list[dict[str, Any]]) -> bytes:
    """A file of the journal whose checksums are right whatever it says."""
    content, crc = b"", 0
    for event in events:
        encoded = orjson.dumps(event)
        crc = zlib.crc32(encoded, crc)
        content += line_of(crc, encoded)
    return content


def rewritten(change: Callable[[list[dict[str, Any]]], None]) -> Damage:
    """A journal that someone has written anew, checksums and all."""

    def rewrite(sweep: Path) -> None:
        events = read_journal(sweep / "journal")
        change(events)
        (sweep / JOURNAL).write_bytes(sealed(events))

    return rewrite


def other_decision(events: list[dict[str, Any]]) -> None:
    decided = [event for event in events if event["type"] == "decided"]
    decided[5]["assignments"][0][0] += 1


def no_status(events: list[dict[str, Any]]) -> None:
    ended = [event for event in events if event["type"] == "ended"]
    ended[5]["outcomes"][0].pop("status")


def no_marks(events: list[dict[str, Any]]) -> None:
    """As journals were before they noted parts and spec."""
    events[:] = [event for event in events if event["type"] != "flushed"]
    for event in events:
        event.pop("parts", None)
        event.pop("spec", None)


def other_columns(sweep: Path) -> None:
    table = pq.read_table(sweep / PART)
    pq.write_table(table.append_column("more", pa.array(np.zeros(len(table)))), sweep / PART)


def repeated_rows(sweep: Path) -> None:
    table = pq.read_table(sweep / PART)
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), sweep / PART)


def end_of_the_journal_lost(sweep: Path) -> None:
    lines = (sweep / JOURNAL).read_bytes().splitlines(keepends=True)
    (sweep / JOURNAL).write_bytes(b"".join(lines[:-12]))


def shuffled_values(sweep: Path) -> None:
    table = pq.read_table(sweep / "trials.parquet")
    values = table["value"].combine_chunks().to_numpy(zero_copy_only=False)[::-1]
    place = table.schema.get_field_index("value")
    pq.write_table(table.set_column(place, "value", pa.array(values, from_pandas=True)), sweep / "trials.parquet")


def manifest_path(sweep: Path) -> str:
    folder = min((sweep / "checkpoints/0").iterdir())
    return f"checkpoints/0/{folder.name}"


CASES: dict[str, tuple[str, Damage, str, str]] = {
    # name of the case: the sweep, the damage, the file that doctor names, what it says of it
    "a torn sweep.yaml": ("stopped", torn("sweep.yaml"), "sweep.yaml", "no valid spec|not written whole"),
    "a lost sweep.yaml": ("stopped", lost("sweep.yaml"), "sweep.yaml", "is missing"),
    "an empty sweep.yaml": ("stopped", added("sweep.yaml", b""), "sweep.yaml", "no valid spec"),
    "a sweep.yaml of other bytes": ("stopped", added("sweep.yaml", b"\xff\xfe"), "sweep.yaml", "is no text"),
    "another seed": (
        "stopped",
        another_seed,
        "sweep.yaml",
        "not a spec that this sweep can go on with",
    ),
    "a torn file of the journal": ("stopped", torn(JOURNAL), "trials.parquet", "knows more than the journal"),
    "a changed line": ("stopped", line_changed, JOURNAL, "checksum does not match"),
    "a changed line of a finished sweep": ("finished", line_changed, JOURNAL, "checksum does not match"),
    "a changed line of a sweep that learns": ("learning", line_changed, JOURNAL, "checksum does not match"),
    "a changed last line feed": ("finished", last_line_feed_changed, JOURNAL, "line feed is another byte"),
    "a lost end of the journal": ("finished", end_of_the_journal_lost, "trials.parquet", "knows more"),
    "a lost journal": ("stopped", lost(JOURNAL), "journal", "has no events"),
    "a misnamed file of the journal": (
        "stopped",
        moved(JOURNAL, "journal/000002.jsonl"),
        JOURNAL,
        "is missing, and 000002.jsonl follows",
    ),
    "an extra file of the journal": (
        "stopped",
        copied(JOURNAL, "journal/copy.jsonl"),
        "journal/000002.jsonl",
        "is missing, and copy.jsonl follows",
    ),
    "a decision that the spec does not make": ("stopped", rewritten(other_decision), JOURNAL, "were started where"),
    "an event without its fields": ("stopped", rewritten(no_status), JOURNAL, "cannot be followed .*'status'"),
    "a torn part": ("stopped", torn(PART), PART, "is not the file that was written"),
    "a torn part of a finished sweep": ("finished", torn(PART), PART, "is not the file that was written"),
    "a torn part of an old journal": ("stopped", all_of(rewritten(no_marks), torn(PART)), PART, "cannot be read"),
    "a flipped part": ("finished", flipped(PART), PART, "is not the file that was written, of [0-9]+ reports"),
    "a lost part": ("finished", lost(PART), PART, "is missing, and the journal says that it holds"),
    "a lost part of an old journal": (
        "finished",
        all_of(rewritten(no_marks), lost(PART)),
        JOURNAL,
        "need reports that are not there",
    ),
    "a lost last part": ("stopped", lost("results/part-000009.parquet"), "results/part-000009.parquet", "is missing"),
    "a lost part without rows": (
        "stopped",
        lost("results/part-000000.parquet"),
        "results/part-000000.parquet",
        "is missing",
    ),
    "all parts lost": (
        "stopped",
        no_parts,
        PART,
        "is missing",
    ),
    "a part under another name": ("stopped", moved(PART, "results/part-5.parquet"), PART, "is missing"),
    "a part twice": ("stopped", copied(PART, "results/part-000099.parquet"), "results/part-000099.parquet", "twice"),
    "a part with other columns": ("stopped", other_columns, PART, "is not the file that was written"),
    "a part with other columns of an old journal": (
        "stopped",
        all_of(rewritten(no_marks), other_columns),
        PART,
        "other columns than the other parts",
    ),
    "a part with a report twice of an old journal": (
        "stopped",
        all_of(rewritten(no_marks), repeated_rows),
        PART,
        "1 of its .* reports stand twice",
    ),
    "a foreign file": ("stopped", added("results/notes.parquet"), "results/notes.parquet", "not one of Caviar's"),
    "a torn trials.parquet": ("stopped", torn("trials.parquet"), "trials.parquet", "cannot be read"),
    "a lost trials.parquet": ("finished", lost("trials.parquet"), "trials.parquet", "is missing"),
    "other values in trials.parquet": ("finished", shuffled_values, "trials.parquet", "not say what the journal says"),
    "a torn regions.parquet": ("learning", torn("regions.parquet"), "regions.parquet", "cannot be read"),
    "a lost regions.parquet": ("learning", lost("regions.parquet"), "regions.parquet", "is missing"),
    "a torn prior.parquet": ("learning", torn("prior.parquet"), "prior.parquet", "cannot be read"),
    "a flipped prior.parquet": ("learning", flipped("prior.parquet", 0.05), "prior.parquet", "was changed"),
    "a lost prior.parquet": ("learning", lost("prior.parquet"), "prior.parquet", "is missing"),
    "a torn checkpoint file": (
        "stopped",
        lambda sweep: torn(f"{manifest_path(sweep)}/weights")(sweep),
        "checkpoints/0/1",
        "weights was changed",
    ),
    "a torn manifest": (
        "stopped",
        lambda sweep: torn(f"{manifest_path(sweep)}/manifest.json")(sweep),
        "checkpoints/0/1",
        "does not verify",
    ),
    "a lost manifest": (
        "stopped",
        lambda sweep: lost(f"{manifest_path(sweep)}/manifest.json")(sweep),
        "checkpoints/0/1",
        "does not verify",
    ),
    "several at once": (
        "stopped",
        all_of(torn("sweep.yaml"), line_changed, lost(PART), torn("trials.parquet"), added("results/notes.parquet")),
        JOURNAL,
        "checksum does not match",
    ),
}

HARMLESS: dict[str, tuple[Damage, str, str]] = {
    "a torn last line": (torn_line, JOURNAL, "not written whole"),
    "a torn lock": (added("lock", b'{"pid": 12'), "", ""),
    "a torn log": (added("logs/3.log", b"epoch 1: \xc3"), "", ""),
    "a torn request to stop": (added("stop", b"\0"), "stop", "request to stop"),
    "a half-written file in staging": (
        added("staging/trials.parquet.6f2a", b"PAR1"),
        "staging",
        "1 half-written files are left",
    ),
}


def named(findings: Any, name: str, sweep: Path) -> list[Finding]:
    return [finding for finding in findings if finding.path == sweep / name]


def files_of(sweep: Path) -> dict[str, bytes]:
    return {str(path.relative_to(sweep)): path.read_bytes() for path in sweep.rglob("*") if path.is_file()}


@pytest.mark.parametrize("case", CASES)
def test_a_damaged_file_is_named_and_repaired_and_the_sweep_ends_with_the_same_tables(
    case: str, copy_of: Make, expected: Mapping[str, Any], resumed_tables: Resume
) -> None:
    name, damage, file, words = CASES[case]
    sweep = copy_of(name)
    whole = files_of(sweep)
    damage(sweep)
    damaged = files_of(sweep)

    found = examine(sweep)
    assert files_of(sweep) == damaged, "an examination changes nothing"
    problems = [finding.problem for finding in named(found.findings, file, sweep)]
    assert any(re.search(words, problem) for problem in problems), found.findings
    assert case == "a lost part without rows" or not found.healthy

    repaired = repair(sweep)
    assert repaired.done
    assert repaired.after.healthy, repaired.after.findings
    mended = files_of(sweep)
    kept = set(mended.values())
    assert not [path for path, content in damaged.items() if content and path != "lock" and content not in kept]

    # Where every file is as it was before the damage, resume is what it would have been.
    if any(mended.get(path) != content for path, content in whole.items() if path != "lock"):
        assert resumed_tables(sweep) == expected[name]
        assert not examine(sweep).findings


@pytest.mark.parametrize("case", HARMLESS)
def test_what_a_killed_process_leaves_is_harmless(
    case: str, copy_of: Make, expected: Mapping[str, Any], resumed_tables: Resume
) -> None:
    damage, file, words = HARMLESS[case]
    sweep = copy_of("stopped")
    damage(sweep)
    found = examine(sweep)
    assert found.healthy
    assert not file or any(words in finding.problem for finding in named(found.findings, file, sweep))
    assert repair(sweep).after.healthy
    assert resumed_tables(sweep) == expected["stopped"]


STOPS: dict[str, tuple[str, Damage, str]] = {
    "a changed line": ("stopped", line_changed, r"000001\.jsonl, line 30: .*checksum"),
    "a changed last line feed": ("stopped", last_line_feed_changed, r"000001\.jsonl, line [0-9]+: its line feed"),
    "a line that is no event": ("stopped", rewritten(no_status), r"000001\.jsonl, line [0-9]+: .*'status'"),
    "an event nested too deep": (
        "stopped",
        added(JOURNAL, line_of(zlib.crc32(b"[" * 3000 + b"]" * 3000), b"[" * 3000 + b"]" * 3000)),
        r"000001\.jsonl, line 1: it is no JSON",
    ),
    "another decision": ("stopped", rewritten(other_decision), r"000001\.jsonl, line [0-9]+: .* were started where"),
    "a lost journal": ("stopped", lost(JOURNAL), "journal is empty, although there are reports"),
    "a lost part": ("finished", lost(PART), r"part-000005\.parquet is missing, and the journal says"),
    "a flipped part": ("stopped", flipped(PART), r"part-000005\.parquet is not the file that was written"),
    "a torn part of an old journal": (
        "stopped",
        all_of(rewritten(no_marks), torn(PART)),
        r"part-000005\.parquet cannot be read",
    ),
    "a flipped prior.parquet": (
        "learning",
        flipped("prior.parquet", 0.05),
        r"prior\.parquet (is not the file|cannot be read)",
    ),
}


@pytest.mark.parametrize("case", STOPS)
def test_resume_stops_with_one_sentence_that_names_the_file_and_doctor(case: str, copy_of: Make) -> None:
    name, damage, words = STOPS[case]
    sweep = copy_of(name)
    damage(sweep)
    damaged = files_of(sweep)
    with pytest.raises(SweepError, match=f"{words}.*caviar doctor {re.escape(str(sweep))}") as stopped:
        Sweep.resume(sweep, trainer=train).run()
    assert "\n" not in str(stopped.value)
    left = files_of(sweep)
    assert {name: left[name] for name in damaged if name not in {"lock", "stop"}} == {
        name: content for name, content in damaged.items() if name not in {"lock", "stop"}
    }


def test_a_repair_that_is_killed_anywhere_is_finished_by_the_next(
    copy_of: Make, expected: Mapping[str, Any], resumed_tables: Resume, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = copy_of("stopped")
    all_of(torn("sweep.yaml"), lost(PART), torn("trials.parquet"), added("results/notes.parquet"))(sweep)
    for allowed in range(1, 12):
        with monkeypatch.context() as patch:
            operations = iter(range(allowed))

            def killed(*_: object, operations: Iterator[int] = operations, real: Any = durable.sync) -> None:
                if next(operations, None) is None:
                    raise KeyboardInterrupt
                real(*_)

            patch.setattr(quarantine, "sync", killed)
            patch.setattr(durable, "sync", killed)
            try:
                repair(sweep)
            except KeyboardInterrupt:
                continue
            break
    assert repair(sweep).after.healthy
    assert resumed_tables(sweep) == expected["stopped"]


def test_damage_after_a_repair_is_repaired_too(
    copy_of: Make, expected: Mapping[str, Any], resumed_tables: Resume
) -> None:
    sweep = copy_of("stopped")
    lost("results/part-000008.parquet")(sweep)
    repair(sweep)
    line_changed(sweep)
    assert repair(sweep).after.healthy
    flipped("results/part-000002.parquet")(sweep)
    assert repair(sweep).after.healthy
    assert resumed_tables(sweep) == expected["stopped"]


def test_how_many_reports_and_assignments_are_lost_is_said(copy_of: Make) -> None:
    sweep = copy_of("finished")
    rows = pq.read_metadata(sweep / PART).num_rows
    (sweep / PART).unlink()
    part, outcomes = examine(sweep).findings
    assert part.meaning == f"its {rows} reports are lost"
    assert f"({rows} reports are lost)" in outcomes.problem
    assert outcomes.path == sweep / JOURNAL
    ended = [event for event in read_journal(sweep / "journal")[(outcomes.line or 0) - 1 :] if event["type"] == "ended"]
    count = sum(len(event["outcomes"]) for event in ended)
    assert re.match(rf"{count} assignments of [0-9]+ trials, [0-9]+ steps in all, are done again", outcomes.meaning)
    repair(sweep)
    assert not [event for event in read_journal(sweep / "journal") if event in ended]


def test_a_spec_that_was_edited_by_hand_is_a_warning(copy_of: Make) -> None:
    sweep = copy_of("stopped")
    text = (sweep / "sweep.yaml").read_text()
    (sweep / "sweep.yaml").write_text(text.replace("max_failures: 1", "max_failures: 3"))
    (found,) = (finding for finding in examine(sweep).findings if finding.path.name == "sweep.yaml")
    assert found.severity is Severity.WARNING
    assert "max_failures" in found.meaning


def test_a_trial_that_may_go_on_without_its_checkpoint_is_a_warning(copy_of: Make) -> None:
    sweep = copy_of("stopped")
    waiting = [row for row in Results.open(sweep).trials().to_pylist() if row["state"] in {"paused", "pending"}]
    trial = next(row["trial"] for row in waiting if row["step"])
    shutil.rmtree(sweep / f"checkpoints/{trial}")
    found = examine(sweep)
    assert found.healthy
    assert f"trial {trial} may go on" in "".join(finding.problem for finding in found.findings)


def test_while_a_process_runs_the_sweep_it_is_examined_and_not_repaired(originals: Path, tmp_path: Path) -> None:
    examined: list[Diagnosis] = []

    def look(snapshot: RunSnapshot) -> None:
        if len(examined) < 10:
            examined.append(examine(tmp_path / "running"))
        if len(examined) == 3:
            with pytest.raises(SweepLockedError, match="being run by process"):
                repair(tmp_path / "running")

    new_sweep(tmp_path, "running").run(look)
    assert len(examined) == 10
    assert {finding.path.name for found in examined for finding in found.findings if found.holder} == {"lock"}
    assert all(found.healthy for found in examined)


def test_nothing_to_examine_is_said(tmp_path: Path) -> None:
    for call in (examine, repair):
        with pytest.raises(SweepError, match="there is no sweep here"):
            call(tmp_path)
    assert not list(tmp_path.iterdir())
