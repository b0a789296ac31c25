"""Deleting checkpoints beside the loop: what is left on the disk, and what happens when deleting fails."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from caviar.scheduler.core.controllers.registry import SearchConfig, make_controller
from caviar.scheduler.core.controllers.schedule import Budget, Resource
from caviar.scheduler.core.state import SweepState
from caviar.scheduler.core.trials.assignment import Assignment, Outcome, OutcomeStatus
from caviar.scheduler.core.trials.reports import ReportBatch
from caviar.scheduler.core.trials.retention import Retention
from caviar.scheduler.execution.checkpoint_cleanup import CheckpointCleanup
from caviar.scheduler.storage import Checkpoints, SweepDirectory
from caviar.search_spaces import SearchSpace, Uniform

from ..exploiting import exploiting_state

SPACE = SearchSpace({"x": Uniform(0.0, 1.0)})
SEARCH = SearchConfig(SPACE, Resource(1, 9, 3), Budget(trials=9), 1, "hyperband")
Keep = Callable[..., CheckpointCleanup]


@pytest.fixture
def checkpoints(directory: SweepDirectory) -> Checkpoints:
    return Checkpoints(directory.checkpoints, directory.staging)


@pytest.fixture
def keep(checkpoints: Checkpoints) -> Iterator[Keep]:
    made: list[CheckpointCleanup] = []

    def make(keep: int | None = 1, disk: int | None = None, *, between: bool = False) -> CheckpointCleanup:
        made.append(CheckpointCleanup(checkpoints, Retention(keep, disk), "min", between=between))
        return made[-1]

    yield make
    for one in made:
        one.close()


def save(checkpoints: Checkpoints, trial: int, step: int, size: int = 100) -> None:
    def write(folder: Path) -> bool:
        (folder / "state").write_bytes(bytes(size))
        return True

    assert checkpoints.write(trial, step, write, {})


def completed(work: Assignment) -> Outcome:
    return Outcome(work.trial, work.rung, work.attempt, OutcomeStatus.COMPLETED, work.stop, float(work.trial))


def finished(checkpoints: Checkpoints) -> SweepState:
    """A whole bracket of nine trials, each of which saves at its rungs; the lowest number is best."""
    state = SweepState(make_controller(SEARCH), "min", 0)
    while not state.finished:
        for work in state.decide(9):
            save(checkpoints, work.trial, work.stop)
            state.handle(completed(work))
    return state


def left(checkpoints: Checkpoints) -> list[tuple[int, int]]:
    return [(trial, step) for trial in checkpoints.trials() for step in checkpoints.steps(trial)]


def reports(trial: int, steps: Sequence[int]) -> ReportBatch:
    short, long = np.full(len(steps), trial, np.int32), np.zeros(len(steps), np.int64)
    zeros = np.zeros(len(steps))
    return ReportBatch(short, short, long, long, np.array(steps), long, zeros, {"loss": zeros})


def test_at_the_end_the_best_have_their_checkpoint_and_nobody_else(checkpoints: Checkpoints, keep: Keep) -> None:
    keep(2).finish(finished(checkpoints))
    assert left(checkpoints) == [(0, 1), (1, 1)], "later values only equal the first, so the first step has the best"
    assert all(checkpoints.newest(trial) for trial in (0, 1))


def test_who_keeps_all_keeps_all(checkpoints: Checkpoints, keep: Keep) -> None:
    state = finished(checkpoints)
    before = left(checkpoints)
    keep(None).finish(state)
    assert left(checkpoints) == before
    assert len(before) == 9 + 3 + 1


def test_a_limit_holds_where_all_are_kept_and_is_measured_in_bytes(checkpoints: Checkpoints, keep: Keep) -> None:
    state = finished(checkpoints)
    each = checkpoints.size(0, 1)
    keep(None, disk=4 * each).finish(state)
    assert left(checkpoints) == [(0, 1), (0, 3), (0, 9), (1, 1)]


def test_a_limit_that_cannot_be_kept_is_told_once(
    checkpoints: Checkpoints, keep: Keep, caplog: pytest.LogCaptureFixture
) -> None:
    state = SweepState(make_controller(SEARCH), "min", 0)
    first, _, _ = state.decide(3)
    save(checkpoints, first.trial, 1)
    state.handle(completed(first))
    cleanup = keep(disk=10)
    for _ in range(2):
        cleanup.tidy(state)
        cleanup.tidy(state)
    cleanup.finish(state)
    assert left(checkpoints) == [(0, 1)]
    assert [record.message.split(" take ")[0] for record in caplog.records] == [
        "checkpoints.disk: the checkpoints that trials go on from and the best one"
    ]


def test_between_two_rungs_an_older_checkpoint_goes_once_the_reports_up_to_a_newer_one_are_on_the_disk(
    checkpoints: Checkpoints, keep: Keep
) -> None:
    state = SweepState(make_controller(SearchConfig(SPACE, Resource(9, 9), Budget(trials=1), 1, "random")), "min", 0)
    state.decide(1)
    for step in (2, 4, 6):
        save(checkpoints, 0, step)
    one = keep(between=True)
    one.received(reports(0, [1, 2, 3, 4, 5]))
    one.tidy(state)
    one.close()
    assert left(checkpoints) == [(0, 2), (0, 4), (0, 6)]
    other = keep(between=True)
    other.received(reports(0, [1, 2, 3, 4, 5]))
    other.flushed()
    other.finish(state)
    assert left(checkpoints) == [(0, 4), (0, 6)]


def test_a_checkpoint_that_another_trial_begins_from_stays_until_that_one_has_its_own(
    checkpoints: Checkpoints, keep: Keep
) -> None:
    state = exploiting_state(4, levels=(1, 3))

    def end(*works: Assignment) -> list[tuple[int, int]]:
        for work in works:
            save(checkpoints, work.trial, work.stop)
            state.handle(replace(completed(work), value=float(work.trial) - work.stop))
        keep().finish(state)
        return left(checkpoints)

    end(*state.decide(4))
    survivors = state.decide(3)
    assert [work.trial for work in survivors] == [0, 1, 2]
    assert (0, 1) in end(*survivors), "the child is not started yet"
    (child,) = state.decide(1)
    assert (0, 1) in end(), "it has no checkpoint of its own"
    assert end(child) == [(0, 3)]


def test_a_sweep_goes_on_when_nothing_can_be_deleted(
    checkpoints: Checkpoints, keep: Keep, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = finished(checkpoints)

    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "delete", refuse)
        keep().finish(state)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert len(left(checkpoints)) == 13
    keep().finish(state)
    assert left(checkpoints) == [(0, 1)]


def test_a_process_killed_in_the_middle_of_a_deletion_leaves_no_half_of_a_checkpoint(
    checkpoints: Checkpoints, keep: Keep, directory: SweepDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = finished(checkpoints)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *_, **__: None)  # killed after the rename
        keep().finish(state)
    assert len(list(directory.staging.iterdir())) == 12
    assert left(checkpoints) == [(0, 1)]
    directory.clear_staging()
    assert list(directory.staging.iterdir()) == []
