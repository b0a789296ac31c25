"""The durable record: what is on the disk when an outcome is handed on, and when that happens."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from caviar.scheduler.core.controllers.registry import SearchConfig, make_controller
from caviar.scheduler.core.controllers.schedule import Budget, Resource
from caviar.scheduler.core.state import SweepState
from caviar.scheduler.core.trials.assignment import Assignment, Outcome, OutcomeStatus
from caviar.scheduler.core.trials.reports import ReportBatch
from caviar.scheduler.errors import StorageError
from caviar.scheduler.execution.executor import Updates
from caviar.scheduler.execution.record import DurableRecord
from caviar.scheduler.execution.snapshot import StopReason
from caviar.scheduler.results import ReportWriter
from caviar.scheduler.storage import Journal, Outage, SweepDirectory, read_journal
from caviar.search_spaces import SearchSpace, Uniform

Work = Callable[..., Assignment]
VALUE_TYPES = {"x": "float"}


@pytest.fixture
def record(directory: SweepDirectory) -> Iterator[DurableRecord]:
    record = DurableRecord(
        directory, Journal.open(directory.journal), ReportWriter(directory, VALUE_TYPES, "loss"), VALUE_TYPES
    )
    yield record
    record.release()


@pytest.fixture
def state() -> SweepState:
    search = SearchConfig(SearchSpace({"x": Uniform(0.0, 1.0)}), Resource(3, 3), Budget(trials=2), 0, "random")
    return SweepState(make_controller(search), "min", 0)


def reports(work: Assignment, steps: Sequence[int]) -> ReportBatch:
    n = len(steps)
    short, long = np.zeros(n, np.int32), np.zeros(n, np.int64)
    loss = {"loss": np.linspace(1.0, 0.5, n)}
    return ReportBatch(short + work.trial, short, long, long, np.array(steps), long, np.ones(n), loss)


def completed(work: Assignment) -> Outcome:
    return Outcome(work.trial, work.rung, work.attempt, OutcomeStatus.COMPLETED, work.stop, 0.5, 1.0)


def part_rows(directory: SweepDirectory) -> list[int]:
    return [pq.read_metadata(path).num_rows for path in sorted(directory.results.iterdir())]


def nothing() -> ReportBatch:
    return ReportBatch.empty()


def test_an_outcome_is_handed_on_only_when_its_part_and_its_line_are_on_the_disk(
    record: DurableRecord, directory: SweepDirectory, work: Work
) -> None:
    assignment = work()
    record.decided(1, [assignment])
    record.received(Updates(reports(assignment, [1, 2, 3]), [completed(assignment)]), now=1.0)
    assert part_rows(directory) == [0]
    assert read_journal(directory.journal) == []
    assert record.commit(1.1) == [completed(assignment)]
    assert part_rows(directory) == [0, 3]
    decided, flushed, ended = read_journal(directory.journal)
    assert decided == {"type": "decided", "free": 1, "assignments": [[0, 0, 0]], "configs": {"0": {"x": 0.5}}}
    assert flushed["type"] == "flushed"
    assert [part[:2] for part in flushed["parts"]] == [[0, 0], [1, 3]]
    assert ended["type"] == "ended"
    assert ended["outcomes"] == [
        {"trial": 0, "rung": 0, "attempt": 0, "status": "completed", "step": 3, "value": 0.5, "elapsed_s": 1.0}
    ]


def test_an_outcome_is_handed_on_once(record: DurableRecord, work: Work) -> None:
    assignment = work()
    record.decided(1, [assignment])
    record.received(Updates(nothing(), [completed(assignment)]), now=1.0)
    assert len(record.commit(2.0)) == 1
    assert len(record.commit(3.0)) == 0


def test_when_the_part_cannot_be_written_no_outcome_is_handed_on_or_journaled(
    record: DurableRecord, directory: SweepDirectory, work: Work
) -> None:
    assignment = work()
    record.decided(1, [assignment])
    record.received(Updates(reports(assignment, [1]), [completed(assignment)]), now=1.0)
    assert isinstance(directory.staging, Path)
    directory.staging.rmdir()
    directory.staging.touch()
    with pytest.raises(StorageError, match=r"staging.* cannot be written \(Not a directory\): remove the cause"):
        record.commit(2.0)
    record.release()
    assert "ended" not in [event["type"] for event in read_journal(directory.journal)]


def test_only_new_trials_are_journaled_with_their_configurations(
    record: DurableRecord, directory: SweepDirectory, work: Work
) -> None:
    promoted, retried, went_on = work(1, rung=1, start=3, stop=9), work(2, attempt=1), work(3, start=1)
    record.decided(4, [work(0), promoted, retried, went_on])
    record.commit(0.0)
    assert read_journal(directory.journal)[0]["configs"] == {"0": {"x": 0.5}}


def test_nothing_is_due_when_nothing_has_arrived(record: DurableRecord, work: Work) -> None:
    record.decided(1, [work()])
    record.received(Updates(nothing(), []), now=0.0)
    assert not record.due(10_000.0, idle=True)


def test_rows_alone_are_due_after_ten_seconds_however_idle_the_workers_are(record: DurableRecord, work: Work) -> None:
    assignment = work()
    record.decided(1, [assignment])
    record.commit(100.0)
    record.received(Updates(reports(assignment, [1]), []), now=100.0)
    record.received(Updates(reports(assignment, [2]), []), now=109.0)
    assert not record.due(109.9, idle=True)
    assert record.due(110.0, idle=False)
    record.commit(110.0)
    assert not record.due(125.0, idle=False)


def test_twenty_thousand_rows_are_due_at_once(record: DurableRecord, work: Work) -> None:
    assignment = work()
    record.decided(1, [assignment])
    record.received(Updates(reports(assignment, range(1, 20_000)), []), now=0.0)
    assert not record.due(0.0, idle=False)
    record.received(Updates(reports(assignment, [20_000]), []), now=0.0)
    assert record.due(0.0, idle=False)


def test_an_outcome_is_due_after_a_second_and_soon_when_a_worker_waits_for_it(
    record: DurableRecord, work: Work
) -> None:
    assignment = work()
    record.decided(1, [assignment])
    record.commit(100.0)
    record.received(Updates(nothing(), [completed(assignment)]), now=100.0)
    assert not record.due(100.01, idle=True), "commits are grouped: at most one each 50 ms"
    assert record.due(100.06, idle=True)
    assert not record.due(100.06, idle=False)
    assert record.due(101.0, idle=False)


def test_closing_writes_what_is_left_the_table_and_the_reason(
    record: DurableRecord, directory: SweepDirectory, state: SweepState
) -> None:
    assignments = state.decide(2)
    record.decided(2, assignments)
    record.received(Updates(reports(assignments[0], [1, 2]), []), now=0.0)
    record.close(state, StopReason.INTERRUPTED)
    record.release()
    assert part_rows(directory) == [0, 2]
    assert pq.read_table(directory.trials)["state"].to_pylist() == ["running", "running"]
    last = read_journal(directory.journal)[-1]
    assert (last["type"], last["reason"]) == ("closed", "interrupted")


def test_the_table_of_trials_can_be_written_at_any_time(
    record: DurableRecord, directory: SweepDirectory, state: SweepState
) -> None:
    record.tabulate(state)
    assert pq.read_table(directory.trials).num_rows == 0
    state.handle(completed(state.decide(1)[0]))
    record.tabulate(state)
    assert pq.read_table(directory.trials).to_pylist()[0]["best_value"] == 0.5


def test_the_table_of_regions_is_written_when_there_is_something_new_in_it(
    record: DurableRecord, directory: SweepDirectory, state: SweepState
) -> None:
    record.tabulate(state)
    assert pq.read_table(directory.regions).num_rows == 0
    assert isinstance(directory.regions, Path)
    before = directory.regions.stat()
    record.tabulate(state)
    assert directory.regions.stat() == before


def test_a_decision_is_on_the_disk_soon_while_nothing_ends(
    record: DurableRecord, directory: SweepDirectory, work: Work
) -> None:
    record.decided(1, [work()])
    record.received(Updates(nothing(), []), now=2.0)
    assert [event["type"] for event in read_journal(directory.journal)] == ["decided"]


@pytest.fixture
def full_disk(directory: SweepDirectory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """No file can be synced until the function is called."""
    flush = os.fsync

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    yield lambda: monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "fsync", flush)


@pytest.mark.parametrize("parts", [True, False], ids=["the part fails first", "the journal fails"])
def test_what_a_full_disk_does_not_take_waits_and_is_handed_on_once_in_order_when_there_is_space(
    record: DurableRecord,
    directory: SweepDirectory,
    work: Work,
    full_disk: Callable[[], None],
    caplog: pytest.LogCaptureFixture,
    parts: bool,
) -> None:
    first, second = work(0), work(1)
    record.decided(2, [first, second])
    record.received(Updates(reports(first, [1, 2]) if parts else nothing(), [completed(first)]), now=0.0)
    assert record.commit(1.0) == []
    assert not record.writable
    assert record.waiting is not None
    assert record.waiting.endswith("cannot be written (No space left on device); waiting for space")
    record.received(Updates(reports(second, [1]) if parts else nothing(), [completed(second)]), now=5.0)
    assert record.commit(6.0) == []
    full_disk()
    assert record.commit(7.0) == [completed(first), completed(second)]
    assert record.writable
    assert record.commit(8.0) == []
    ended = [event["outcomes"] for event in read_journal(directory.journal) if event["type"] == "ended"]
    assert [outcome["trial"] for outcomes in ended for outcome in outcomes] == [0, 1]
    assert sum(part_rows(directory)) == (3 if parts else 0)
    messages = [message.message.split(": ")[0] for message in caplog.records]
    assert messages == ["paused", "going on"]


def test_the_next_try_is_due_later_each_time_and_gives_up_in_the_end_with_one_sentence(
    directory: SweepDirectory,
) -> None:
    clock = [0.0]
    outage = Outage(directory.path, 60.0, lambda: clock[0])
    waits = []
    full = OSError(28, "No space left on device", "a/000001.jsonl")
    while clock[0] < 60:
        outage.failed(full)
        began = clock[0]
        while not outage.due:
            clock[0] += 0.5
        waits.append(clock[0] - began)
    with pytest.raises(StorageError) as given_up:
        outage.failed(full)
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
    assert str(given_up.value) == (
        "a/000001.jsonl cannot be written (No space left on device) for 60 s (storage_timeout): make room and resume"
        " the sweep; nothing that was recorded before is lost."
    )


def test_a_run_whose_storage_stays_full_ends_and_what_was_recorded_before_can_be_read(
    directory: SweepDirectory, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, journal = ReportWriter(directory, VALUE_TYPES, "loss"), Journal.open(directory.journal)
    record = DurableRecord(directory, journal, writer, VALUE_TYPES, storage_timeout=0.0)
    record.decided(1, [work()])
    record.commit(0.0)
    record.received(Updates(reports(work(), [1]), [completed(work())]), now=0.0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(122, "Disk quota exceeded")))
        with pytest.raises(StorageError, match=r"cannot be written \(Disk quota exceeded\) for 0 s"):
            record.commit(1.0)
        record.release()
    assert [event["type"] for event in read_journal(directory.journal)] == ["decided", "flushed"]


def test_too_many_reports_for_the_memory_are_told_only_while_nothing_can_be_written(
    record: DurableRecord, work: Work, full_disk: Callable[[], None]
) -> None:
    record.decided(1, [work()])
    record.received(Updates(reports(work(), range(1, 200_001)), []), now=0.0)
    assert not record.full
    record.commit(0.0)
    assert record.full
    full_disk()
    record.commit(1.0)
    assert not record.full


def test_a_worker_that_waits_is_told_of_and_leaves_this_process_its_decisions(
    record: DurableRecord, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = "x/staging cannot be written (Input/output error); waiting for it to come back"
    for _ in range(2):
        record.received(Updates(nothing(), [], waiting=waiting), now=0.0)
    assert (record.waiting, record.writable) == (waiting, True)
    record.received(Updates(nothing(), []), now=1.0)
    assert record.waiting is None
    assert [message.message.split(": ")[0] for message in caplog.records] == ["paused", "going on"]


def test_a_worker_and_this_process_that_wait_at_the_same_time_are_told_of_once(
    record: DurableRecord, work: Work, full_disk: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    waiting = "x/staging cannot be written (No space left on device); waiting for space"
    record.decided(1, [work()])
    record.received(Updates(reports(work(), [1]), [completed(work())], waiting=waiting), now=0.0)
    record.commit(0.0)
    assert not record.writable
    full_disk()
    record.commit(1.0)
    assert record.waiting == waiting, "the worker has not tried again"
    record.received(Updates(nothing(), []), now=1.0)
    assert [message.message.split(": ")[0] for message in caplog.records] == ["paused", "going on"]
