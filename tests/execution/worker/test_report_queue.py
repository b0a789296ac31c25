"""Reports from the training thread to the driver: rows in, columns out."""

from collections.abc import Callable
from threading import Thread

import numpy as np

from caviar.scheduler.core.trials.assignment import Assignment
from caviar.scheduler.execution.worker.report_queue import ReportQueue


def test_reports_come_out_as_columns_in_the_order_they_went_in(work: Callable[..., Assignment]) -> None:
    queue = ReportQueue()
    queue.append(work(trial=3, attempt=1, bracket=2, rung=1), 5, 1_000, 0.5, {"loss": 0.25, "acc": 1})
    queue.append(work(trial=4), 1, 2_000, 0.75, {"loss": 0.5, "acc": 0})
    assert len(queue) == 2
    batch = queue.drain()
    assert (batch.trial.tolist(), batch.attempt.tolist(), batch.bracket.tolist()) == ([3, 4], [1, 0], [2, 0])
    assert (batch.rung.tolist(), batch.step.tolist(), batch.time.tolist()) == ([1, 0], [5, 1], [1_000, 2_000])
    assert batch.elapsed_s.tolist() == [0.5, 0.75]
    assert {name: values.tolist() for name, values in batch.metrics.items()} == {"loss": [0.25, 0.5], "acc": [1, 0]}
    assert [column.dtype.name for column in (batch.trial, batch.step, batch.metrics["acc"])] == [
        "int32",
        "int64",
        "float64",
    ]


def test_what_was_taken_is_gone(work: Callable[..., Assignment]) -> None:
    queue = ReportQueue()
    queue.append(work(), 1, 0, 0.0, {"loss": 0.5})
    assert len(queue.drain()) == 1
    assert len(queue) == 0
    assert len(queue.drain()) == 0


def test_a_metric_that_a_report_lacks_is_nan_there(work: Callable[..., Assignment]) -> None:
    queue = ReportQueue()
    for step, metrics in enumerate([{"loss": 0.5}, {"loss": 0.4, "acc": 0.9}, {"acc": 0.8}], start=1):
        queue.append(work(), step, 0, 0.0, metrics)
    batch = queue.drain()
    np.testing.assert_array_equal(batch.metrics["loss"], [0.5, 0.4, np.nan])
    np.testing.assert_array_equal(batch.metrics["acc"], [np.nan, 0.9, 0.8])


def test_one_thread_takes_while_another_appends_and_nothing_is_lost(work: Callable[..., Assignment]) -> None:
    queue, assignment = ReportQueue(), work()

    def write() -> None:
        for step in range(20_000):
            queue.append(assignment, step, 0, 0.0, {"loss": 0.1})

    writer = Thread(target=write)
    writer.start()
    steps: list[int] = []
    while writer.is_alive():
        steps += queue.drain().step.tolist()
    writer.join()
    steps += queue.drain().step.tolist()
    assert steps == list(range(20_000))
