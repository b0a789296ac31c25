"""A worker whose storage cannot be written: it waits, trains nothing else, and no trial fails for it."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from caviar.scheduler.core.trials.assignment import Assignment, Outcome, OutcomeStatus
from caviar.scheduler.execution.worker.engine import Engine
from caviar.scheduler.execution.worker.output import captured_output
from caviar.scheduler.execution.worker.report_queue import ReportQueue
from caviar.scheduler.execution.worker.settings import TrainingSettings
from caviar.scheduler.storage import Checkpoints, SweepDirectory, is_outage

Settings = Callable[..., TrainingSettings]
Work = Callable[..., Assignment]


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """No file can be synced until the function is called."""

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", refuse)
    return lambda: monkeypatch.setattr(os, "fsync", fsync)


def await_true(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.01)


def in_a_thread(engine: Engine, group: Sequence[Assignment]) -> "Future[list[Outcome]]":
    threads = ThreadPoolExecutor(1)
    future = threads.submit(engine.run, group)
    threads.shutdown(wait=False)
    return future


def test_a_trial_that_finds_no_room_for_its_checkpoint_waits_says_so_and_goes_on(
    settings: Settings, work: Work, directory: SweepDirectory, full_disk: Callable[[], None]
) -> None:
    engine = Engine(settings("walk"), ReportQueue())
    running = in_a_thread(engine, [work()])
    await_true(lambda: engine.waiting)
    assert str(engine.waiting).endswith("cannot be written (No space left on device); waiting for space")
    full_disk()
    (outcome,) = running.result()
    assert (outcome.status, outcome.step) == (OutcomeStatus.COMPLETED, 3)
    assert outcome.elapsed_s < 0.5, "the time that it waited is not training"
    assert engine.waiting is None
    assert Checkpoints(directory.checkpoints, directory.staging).newest(0) is not None
    assert list(directory.staging.iterdir()) == []


@pytest.mark.parametrize("every", [None, 2])
def test_a_pause_ends_the_wait_and_the_work_is_done_again_later(
    settings: Settings, work: Work, full_disk: Callable[[], None], every: int | None
) -> None:
    engine, reports = Engine(settings("walk", every=every), ReportQueue()), ReportQueue()
    running = in_a_thread(engine, [work(stop=3)])
    await_true(lambda: engine.waiting)
    engine.pause()
    (outcome,) = running.result()
    assert outcome.status is OutcomeStatus.INTERRUPTED
    assert outcome.step == (3 if every is None else 2)
    full_disk()
    other = Engine(settings("walk"), reports)
    (again,) = other.run([work(stop=3, start=outcome.step, reported=outcome.step)])
    assert (again.status, again.step) == (OutcomeStatus.COMPLETED, 3)
    assert reports.drain().step.tolist() == ([] if every is None else [3])


def test_what_else_goes_wrong_while_a_trial_saves_is_its_own_failure(settings: Settings, work: Work) -> None:
    (outcome,) = Engine(settings("troubled_at_its_end"), ReportQueue()).run([work(config={"trouble": "save"})])
    assert outcome.status is OutcomeStatus.FAILED


def test_a_library_that_hides_the_error_number_is_understood_where_the_disk_is_full(
    directory: SweepDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(folder: Path) -> bool:
        raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")

    checkpoints = Checkpoints(directory.checkpoints, directory.staging)
    with pytest.raises(RuntimeError, match="PytorchStreamWriter"):
        checkpoints.write(0, 1, save, {})

    def full(folder: Path) -> Any:
        return os.statvfs_result((4096, 4096, 1000, 0, 0, 10, 10, 10, 0, 255))

    monkeypatch.setattr(os, "statvfs", full)
    with pytest.raises(OSError, match="No space left on device") as error:
        checkpoints.write(0, 1, save, {})
    assert is_outage(error.value, directory.path)
    assert list(directory.staging.iterdir()) == []


def test_a_missing_file_is_the_storages_fault_only_where_the_whole_directory_is_missing(tmp_path: Path) -> None:
    error = FileNotFoundError(2, "No such file or directory", "data.csv")
    assert not is_outage(error, tmp_path)
    assert is_outage(error, tmp_path / "gone")
    wrapped = RuntimeError("saving failed")
    wrapped.__cause__ = OSError(122, "Disk quota exceeded")
    assert is_outage(wrapped, tmp_path)
    assert not is_outage(PermissionError(13, "Permission denied"), tmp_path)


def test_what_a_trial_prints_on_a_full_disk_is_dropped_and_a_line_says_so_once_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "0.log"
    with captured_output(path), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "mkdir", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        print("lost", flush=True)  # noqa: T201
        print("lost too", flush=True)  # noqa: T201
        patch.undo()
        print("after", flush=True)  # noqa: T201
    missing = "[text is missing here that could not be written: No space left on device]"
    assert path.read_text().splitlines() == [missing, "after"]


def test_a_full_queue_of_reports_holds_the_training_up_until_it_is_asked_or_is_to_end(work: Work) -> None:
    queue = ReportQueue(most=2)
    added: list[int] = []

    def train() -> None:
        for step in range(1, 8):
            queue.append(work(), step, 0, 0.0, {"loss": 1.0})
            added.append(step)

    with ThreadPoolExecutor(1) as threads:
        training = threads.submit(train)
        await_true(lambda: len(queue) == 2)
        assert not training.done()
        taken = queue.drain().step.tolist()
        await_true(lambda: len(queue) == 2)
        assert len(added) < 7
        queue.open_wide()
        training.result()
    assert taken + queue.drain().step.tolist() == list(range(1, 8))
