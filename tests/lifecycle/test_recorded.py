"""A sweep as its directory tells it is read, parsed and replayed once, and then taken on by what is new."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import caviar.scheduler.lifecycle.run as running
from caviar.scheduler import Results, Sweep, SweepSpec
from caviar.scheduler.analysis.importance import importance
from caviar.scheduler.analysis.status import status_of, sweep_status
from caviar.scheduler.doctor.files import examine
from caviar.scheduler.errors import JournalError
from caviar.scheduler.execution.simulated import SimulatedExecutor
from caviar.scheduler.integrations.optuna.proposer import OptunaProposer
from caviar.scheduler.lifecycle.prepared import PreparedSweep
from caviar.scheduler.lifecycle.recorded import RecordedSweep
from caviar.scheduler.lifecycle.replay import Events, Replayer
from caviar.scheduler.storage import (
    Journal,
    SweepDirectory,
    SweepLock,
    journal_lines,
    locate,
    read_journal,
    run_files,
)
from caviar.scheduler.storage import journal_reader as reading

TRAINER = str(Path(__file__).with_name("plain_code.py:descend"))
UNFUSED = {"size": 1, "static": [], "padded": []}


def curve(config: Mapping[str, Any], seed: int) -> list[float]:
    return [abs(float(config["lr"]) - 0.1) + 1 / step for step in range(1, 10)]


@pytest.fixture(autouse=True)
def in_virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps run in their directories as ever, but on simulated workers."""

    @contextmanager
    def workers(sweep: PreparedSweep, *_: Any) -> Iterator[Callable[[], SimulatedExecutor]]:
        yield cache(lambda: SimulatedExecutor(curve, sweep.spec.metric, 2, proposer=sweep.proposer()))

    monkeypatch.setattr(running, "workers_on_demand", workers)


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts of costly work: the real thing is done, and counted."""
    counted: Counter[str] = Counter()

    def count(owner: Any, name: str, what: str) -> None:
        done = getattr(owner, name)
        function = done.__func__ if isinstance(vars(owner).get(name), classmethod) else done

        def counting(*arguments: Any, **named: Any) -> Any:
            counted[what] += 1
            return function(*arguments, **named)

        monkeypatch.setattr(owner, name, classmethod(counting) if function is not done else counting)

    count(reading, "read_file", "journal")
    count(Replayer, "__init__", "replay")
    count(SweepSpec, "parse", "spec")
    count(Results, "open", "earlier sweep")
    count(OptunaProposer, "__init__", "sampler")
    return counted


@pytest.fixture
def directory(recorded: Callable[..., Path], tmp_path: Path) -> Path:
    """A sweep of 14 trials that has ended and can be resumed."""
    return recorded(tmp_path, trainer=TRAINER, fuse=UNFUSED, budget={"trials": 14})


@pytest.mark.parametrize("look", [sweep_status, importance, examine])
def test_a_command_that_looks_reads_the_journal_once_and_replays_it_once(
    directory: Path, counts: Counter[str], look: Callable[[Path], object]
) -> None:
    look(directory)
    assert counts["replay"] == 1
    assert counts["journal"] <= 1, "the doctor reads files that cannot be trusted by itself"
    assert counts["spec"] == 1


def test_a_resume_reads_once_replays_once_and_parses_once(directory: Path, counts: Counter[str]) -> None:
    Sweep.resume(directory).run()
    assert counts["replay"] == counts["spec"] == 1
    assert counts["journal"] == 2, "the second time, under the lock, only what was added since"


def test_a_resume_with_edits_replays_once_and_parses_the_old_and_the_new_spec(
    directory: Path, counts: Counter[str]
) -> None:
    sweep = Sweep.resume(directory, budget={"trials": 20})
    assert [edit.field for edit in sweep.edits] == ["budget.trials"]
    sweep.run()
    assert counts["replay"] == 1
    assert counts["spec"] == 3, "that in sweep.yaml, the new one, and the journal's line of it"


def test_a_preview_replays_once(directory: Path, counts: Counter[str]) -> None:
    preview = Sweep.resume(directory, budget={"trials": 20}).preview()
    assert preview.to_come == 6
    assert counts["replay"] == 1


def test_an_earlier_sweep_is_read_once_and_a_sampler_is_built_once(
    directory: Path, counts: Counter[str], tmp_path: Path
) -> None:
    fields = {**RecordedSweep(SweepDirectory(directory)).spec.model_dump(mode="json"), "name": "next"}
    spec = SweepSpec.parse(
        {**fields, "warm_start": str(directory), "proposer": "optuna.samplers.TPESampler", "storage": str(tmp_path)}
    )
    counts.clear()
    sweep = Sweep.from_spec(spec)
    assert (counts["earlier sweep"], counts["sampler"]) == (1, 1)
    sweep.run()
    assert (counts["earlier sweep"], counts["sampler"]) == (2, 1), "the second is this sweep's own results"


def replay_of_all(directory: Path) -> RecordedSweep:
    return RecordedSweep(SweepDirectory(directory))


def rows_of(sweep: RecordedSweep) -> list[Any]:
    return [replace(row, elapsed_s=0.0) for row in sweep.state.rows]


@pytest.fixture(params=["disk", "object store"])
def copy(request: pytest.FixtureRequest, directory: Path, tmp_path: Path) -> Any:
    """A directory with the same sweep.yaml and no journal yet: on a disk, or in an object store."""
    place: Any = tmp_path / "copy"
    if request.param == "object store":
        place = locate(request.getfixturevalue("prefix")) / "copy"
    SweepDirectory(place).create()
    SweepDirectory(place).spec.write_bytes((directory / "sweep.yaml").read_bytes())
    return place


def test_a_sweep_that_grows_is_followed_event_by_event(directory: Path, copy: Any) -> None:
    events, place = read_journal(directory / "journal"), copy
    followed = RecordedSweep(SweepDirectory(place))
    assert followed.events == []
    with Journal.open(SweepDirectory(place).journal) as journal:
        for number, event in enumerate(events, start=1):
            journal.append(event)
            journal.commit()
            assert list(followed.advance()) == [event]
            whole = RecordedSweep(SweepDirectory(place), events=events[:number], written=followed.written)
            assert rows_of(followed) == rows_of(whole)
            assert followed.history == whole.history
    assert followed.advance() == []
    with Journal.open(SweepDirectory(place).journal) as journal:
        journal.append({"type": "opened", "time": 1.0, "versions": {}})
        journal.commit()
        assert [event["type"] for event in followed.advance()] == ["opened"]
    assert followed.runs == followed.history.runs == 2
    assert rows_of(followed) == rows_of(RecordedSweep(SweepDirectory(place)))


def test_following_costs_what_is_new(directory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    events = read_journal(directory / "journal")
    copy = tmp_path / "copy"
    SweepDirectory(copy).create()
    shutil.copy(directory / "sweep.yaml", copy)
    seen: list[int] = []
    follow = Replayer.follow

    def follow_counting(self: Replayer, new: Events) -> None:
        seen.append(len(new))
        follow(self, new)

    def parse_counting(encoded: bytes) -> Any:
        parsed.append(encoded)
        return parse(encoded)

    parsed: list[bytes] = []
    parse = journal_lines._event
    monkeypatch.setattr(Replayer, "follow", follow_counting)
    monkeypatch.setattr(journal_lines, "_event", parse_counting)
    followed = RecordedSweep(SweepDirectory(copy))
    with SweepLock(followed.directory.lock), Journal.open(copy / "journal") as journal:
        for event in events:
            journal.append(event)
            journal.commit()
            followed.advance()
            status_of(followed)
    assert len(parsed) == len(events), "each line was read once"
    assert sum(seen) == len(events)


def in_two_parts(directory: Path, tmp_path: Path) -> tuple[SweepDirectory, Events, Events]:
    """A directory without a journal yet, and the sweep's journal before its first outcome and from there on."""
    events = read_journal(directory / "journal")
    cut = next(place for place, event in enumerate(events) if event["type"] == "ended")
    copy = SweepDirectory(tmp_path / "copy")
    copy.create()
    copy.spec.write_bytes((directory / "sweep.yaml").read_bytes())
    return copy, events[:cut], events[cut:]


def test_a_sweep_that_was_replayed_for_a_resume_is_followed_when_another_process_goes_on_with_it(
    directory: Path, tmp_path: Path
) -> None:
    copy, begun, rest = in_two_parts(directory, tmp_path)
    with Journal.open(copy.journal) as journal:
        for event in begun:
            journal.append(dict(event))
        journal.commit()
        followed = RecordedSweep(copy)
        assert followed.replay().queued, "nobody seems to run it"
        for event in rest:  # and somebody did
            journal.append(dict(event))
    followed.advance()
    assert rows_of(followed) == rows_of(replay_of_all(directory))


def test_a_journal_that_was_cut_is_read_anew(directory: Path) -> None:
    followed = replay_of_all(directory)
    trials = len(followed.state.rows)
    (file,) = run_files(directory / "journal")
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[: len(lines) // 2]))
    assert len(followed.advance()) == len(lines) // 2
    assert rows_of(followed) == rows_of(replay_of_all(directory))
    assert len(followed.state.rows) <= trials
    file.write_bytes(b"".join([*lines[:2], b"{}\n"]))
    with pytest.raises(JournalError, match="line 3"):
        followed.advance()


def test_a_sweep_that_runs_has_its_work_running_and_one_that_nobody_runs_has_it_pending(
    directory: Path, tmp_path: Path
) -> None:
    copy, begun, _ = in_two_parts(directory, tmp_path)
    with Journal.open(copy.journal) as journal:
        for event in begun:
            journal.append(dict(event))
    assert set(sweep_status(copy.path).progress.states) == {"pending"}
    with SweepLock(copy.lock):
        assert set(sweep_status(copy.path).progress.states) == {"running"}
