"""An object store that does not answer for a while is waited for like a full disk; a lost lease ends a run at once."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest

from caviar.scheduler.core.trials.assignment import Assignment, OutcomeStatus
from caviar.scheduler.errors import ObjectStoreError, StorageError, SweepLockedError
from caviar.scheduler.execution.executor import Updates
from caviar.scheduler.execution.record import DurableRecord
from caviar.scheduler.execution.worker.engine import Engine
from caviar.scheduler.execution.worker.report_queue import ReportQueue
from caviar.scheduler.execution.worker.settings import TrainingSettings
from caviar.scheduler.results import ReportWriter
from caviar.scheduler.storage import Checkpoints, Journal, ObjectPath, SweepDirectory, SweepLock, locate, read_journal

pytestmark = pytest.mark.slow

Work = Callable[..., Assignment]
Settings = Callable[..., TrainingSettings]


@pytest.fixture
def directory(prefix: str) -> SweepDirectory:
    """A sweep in an object store."""
    return SweepDirectory(locate(prefix) / "sweep")


def refuse(path: ObjectPath, *_: object) -> None:
    raise ObjectStoreError(str(path), "the object store does not answer as it should (503 SLOW_DOWN)")


def await_true(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.01)


def test_outcomes_wait_for_the_store_and_are_handed_on_once(
    directory: SweepDirectory, settings: Settings, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, reports = Journal.open(directory.journal), ReportQueue()
    record = DurableRecord(directory, journal, ReportWriter(directory, {"x": "float"}, "loss"), {"x": "float"})
    outcomes = Engine(settings("walk"), reports).run([work()])
    record.decided(1, [work()])
    record.received(Updates(reports.drain(), outcomes), now=0.0)
    with monkeypatch.context() as patch:
        patch.setattr(ObjectPath, "_put", refuse)
        assert record.commit(1.0) == []
        assert not record.writable
        expected = (
            "part-000001.parquet cannot be written (the object store does not answer as it should (503 SLOW_DOWN))"
        )
        assert str(record.waiting).endswith(f"{expected}; waiting for it to come back")
        assert record.commit(2.0) == []
    assert record.commit(3.0) == outcomes
    assert (record.writable, record.commit(4.0)) == (True, [])
    record.release()
    assert [event["type"] for event in read_journal(directory.journal)] == ["decided", "flushed", "ended"]


def test_a_store_that_stays_away_ends_the_run_with_one_sentence(
    directory: SweepDirectory, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, writer = Journal.open(directory.journal), ReportWriter(directory, {"x": "float"}, "loss")
    record = DurableRecord(directory, journal, writer, {"x": "float"}, storage_timeout=0.0)
    record.decided(1, [work()])
    with monkeypatch.context() as patch:
        patch.setattr(ObjectPath, "_put", refuse)
        with pytest.raises(StorageError, match=r"503 SLOW_DOWN\)\) for 0 s \(storage_timeout\)"):
            record.commit(1.0)
        record.release()


def test_a_lost_lease_ends_the_run_at_once_also_while_it_waits(
    directory: SweepDirectory, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caviar.scheduler.storage.lease._SETTLE_S", 0.05)
    monkeypatch.setattr("caviar.scheduler.storage.lease._LOOK_S", 0.0)
    with SweepLock(directory.lock) as lock:
        journal, writer = Journal.open(directory.journal, lock.check), ReportWriter(directory, {"x": "float"}, "loss")
        record = DurableRecord(directory, journal, writer, {"x": "float"})
        record.decided(1, [work()])
        with monkeypatch.context() as patch:
            patch.setattr(ObjectPath, "_put", refuse)
            assert record.commit(1.0) == []
        lease = orjson.loads(directory.lock.read_bytes())
        directory.lock.write_bytes(orjson.dumps({**lease, "token": "another"}))
        with pytest.raises(SweepLockedError, match="lost its right to run the sweep"):
            record.commit(2.0)
        record.release()
    assert read_journal(directory.journal) == []


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_trial_whose_checkpoint_cannot_be_fetched_waits_and_does_not_fail(
    directory: SweepDirectory, settings: Settings, work: Work, monkeypatch: pytest.MonkeyPatch, comes_back: bool
) -> None:
    Engine(settings("walk"), ReportQueue()).run([work(stop=3)])
    assert Checkpoints(directory.checkpoints, directory.staging).steps(0) == [3]
    reports = ReportQueue()
    engine = Engine(settings("walk"), reports)
    with ThreadPoolExecutor(1) as threads, monkeypatch.context() as patch:
        for method in ("iterdir", "download"):
            patch.setattr(ObjectPath, method, refuse)
        running = threads.submit(engine.run, [work(stop=5, start=3, rung=1, reported=3)])
        await_true(lambda: engine.waiting)
        if comes_back:
            patch.undo()
        else:
            engine.pause()
        (outcome,) = running.result()
    assert outcome.status is (OutcomeStatus.COMPLETED if comes_back else OutcomeStatus.INTERRUPTED)
    assert outcome.step == (5 if comes_back else 3)
    assert reports.drain().step.tolist() == ([4, 5] if comes_back else [])
