"""The engine of a worker, in the process of the test: from an assignment to reports, a checkpoint and an outcome."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caviar.scheduler.core.trials.assignment import Assignment, Outcome, OutcomeStatus
from caviar.scheduler.core.trials.reports import ReportBatch
from caviar.scheduler.execution.worker.engine import Engine
from caviar.scheduler.execution.worker.report_queue import ReportQueue
from caviar.scheduler.execution.worker.settings import TrainingSettings
from caviar.scheduler.storage import Checkpoints, SweepDirectory

Settings = Callable[..., TrainingSettings]
Work = Callable[..., Assignment]


class Bench:
    """An engine and what has come out of it."""

    def __init__(self, settings: TrainingSettings, reports: ReportQueue) -> None:
        self.reports = reports
        self.engine = Engine(settings, reports)

    def run(self, assignment: Assignment) -> tuple[Outcome, ReportBatch]:
        (outcome,) = self.engine.run([assignment])
        return outcome, self.reports.drain()


@pytest.fixture
def bench(settings: Settings) -> Iterator[Callable[..., Bench]]:
    """Makes engines of functions of `training_code.py`; they are closed at the end."""
    made: list[Bench] = []

    def make(function: str, warm: int = 8, reports: ReportQueue | None = None) -> Bench:
        made.append(Bench(settings(function, warm=warm), ReportQueue() if reports is None else reports))
        return made[-1]

    yield make
    for one in made:
        one.engine.close()


def test_an_assignment_reports_every_step_once_and_completes_with_the_last_value(
    bench: Callable[..., Bench], work: Work
) -> None:
    outcome, reports = bench("walk").run(work(trial=4, stop=3, bracket=2, rung=1, attempt=1))
    assert (outcome.trial, outcome.rung, outcome.attempt) == (4, 1, 1)
    assert (outcome.status, outcome.step, outcome.error) == (OutcomeStatus.COMPLETED, 3, None)
    assert outcome.value == reports.metrics["loss"][-1]
    assert outcome.elapsed_s >= reports.elapsed_s[-1] > 0
    assert reports.step.tolist() == [1, 2, 3]
    columns = (reports.trial, reports.bracket, reports.rung, reports.attempt)
    assert [set(column.tolist()) for column in columns] == [{4}, {2}, {1}, {1}]
    assert (np.diff(reports.time) >= 0).all()


def rung_by_rung(engines: Iterator[Bench], work: Work) -> list[float]:
    """Trains a trial to step 9 in three assignments, each on the next engine."""
    losses: list[float] = []
    for rung, (start, stop) in enumerate([(0, 1), (1, 3), (3, 9)]):
        outcome, reports = next(engines).run(work(start=start, stop=stop, rung=rung, reported=start))
        assert (outcome.status, outcome.step) == (OutcomeStatus.COMPLETED, stop)
        losses += reports.metrics["loss"].tolist()
        assert (outcome.lowest, outcome.highest) == (min(losses), max(losses))
    return losses


@pytest.mark.parametrize("function", ["walk", "forgetful"])
def test_warm_restored_and_uninterrupted_trials_report_the_same_to_the_bit(
    bench: Callable[..., Bench], work: Work, function: str
) -> None:
    _, whole = bench(function).run(work(trial=1, stop=9, seed=100))
    warm, cold = bench(function), bench(function, warm=0)
    assert rung_by_rung(iter([warm] * 3), work) == whole.metrics["loss"].tolist()
    assert rung_by_rung(iter([cold] * 3), work) == whole.metrics["loss"].tolist()
    assert rung_by_rung(iter([bench(function) for _ in range(3)]), work) == whole.metrics["loss"].tolist()


def test_a_trial_that_went_on_elsewhere_is_restored_though_an_older_state_of_it_is_warm(
    bench: Callable[..., Bench], work: Work
) -> None:
    _, whole = bench("walk").run(work(trial=1, stop=9, seed=100))
    one, other = bench("walk"), bench("walk")
    assert rung_by_rung(iter([one, other, one]), work) == whole.metrics["loss"].tolist()


def test_a_checkpoint_that_was_damaged_is_passed_over_and_the_lost_steps_are_not_reported_again(
    bench: Callable[..., Bench], work: Work, directory: SweepDirectory
) -> None:
    _, whole = bench("walk").run(work(trial=1, stop=9, seed=100))
    bench("walk").run(work(stop=1))
    bench("walk").run(work(start=1, stop=3, reported=1))
    for file in Checkpoints(directory.checkpoints, directory.staging).path(0, 3).iterdir():
        file.write_bytes(b"damaged")
    outcome, reports = bench("walk").run(work(start=3, stop=9, reported=3))
    assert reports.step.tolist() == [4, 5, 6, 7, 8, 9]
    assert reports.metrics["loss"].tolist() == whole.metrics["loss"].tolist()[3:]
    assert outcome.step == 9
    losses = whole.metrics["loss"]
    assert (outcome.lowest, outcome.highest) == (losses.min(), losses.max())


def test_an_exception_fails_the_trial_with_the_persons_frames_and_goes_to_its_log(
    bench: Callable[..., Bench], work: Work, directory: SweepDirectory
) -> None:
    outcome, reports = bench("fated").run(work(trial=3, config={"fate": "fails"}))
    assert (outcome.status, outcome.step, outcome.value) == (OutcomeStatus.FAILED, 0, None)
    assert outcome.error is not None
    assert outcome.error.startswith("Traceback (most recent call last):\n")
    assert outcome.error.endswith("ValueError: the learning rate is too large\n")
    assert 'training_code.py", line ' in outcome.error
    assert "engine.py" not in outcome.error
    assert "generator.py" not in outcome.error
    assert len(reports) == 0
    assert directory.log(3).read_text() == outcome.error


def test_a_failure_keeps_the_reports_before_it_and_a_retry_makes_only_those_that_are_missing(
    bench: Callable[..., Bench], work: Work, tmp_path: Path
) -> None:
    one = bench("fails_in_step_two_once")
    config = {"marker": str(tmp_path / "failed")}
    outcome, reports = one.run(work(config=config))
    assert (outcome.status, outcome.step, reports.step.tolist()) == (OutcomeStatus.FAILED, 1, [1])
    outcome, reports = one.run(work(config=config, attempt=1, reported=1))
    assert (outcome.status, outcome.step, reports.step.tolist()) == (OutcomeStatus.COMPLETED, 3, [2, 3])
    assert reports.attempt.tolist() == [1, 1]


def test_leaving_the_program_is_a_failure_like_any_other(bench: Callable[..., Bench], work: Work) -> None:
    outcome, _ = bench("exits").run(work())
    assert outcome.status is OutcomeStatus.FAILED
    assert "SystemExit: no such data set" in str(outcome.error)


def test_a_metric_that_is_not_finite_ends_the_trial_as_diverged_and_is_reported(
    bench: Callable[..., Bench], work: Work
) -> None:
    outcome, reports = bench("fated").run(work(config={"fate": "diverges"}))
    assert (outcome.status, outcome.step, outcome.value) == (OutcomeStatus.DIVERGED, 2, None)
    assert outcome.error == "loss is nan at step 2"
    assert reports.step.tolist() == [1, 2]
    assert np.isnan(reports.metrics["loss"][1])


def test_a_report_without_the_sweeps_metric_says_which_metrics_there_are(
    bench: Callable[..., Bench], work: Work
) -> None:
    outcome, _ = bench("reports_something_else").run(work())
    assert outcome.status is OutcomeStatus.FAILED
    assert outcome.error == (
        "metric: the report at step 3 has no 'loss'; it has accuracy, time."
        " Report the sweep's metric at every rung, or name one of these in the spec."
    )


@pytest.mark.parametrize("warm", [8, 0])
@pytest.mark.parametrize("function", ["ends_after_two", "fated"])
def test_a_trial_that_ends_by_itself_completes_there_at_this_rung_and_at_every_later_one(
    bench: Callable[..., Bench], work: Work, function: str, warm: int
) -> None:
    one, config = bench(function, warm=warm), {"fate": "ends"}
    first, reports = one.run(work(stop=3, config=config))
    assert (first.status, first.step, first.value) == (OutcomeStatus.COMPLETED, 2, 0.5)
    assert reports.step.tolist() == [1, 2]
    second, reports = one.run(work(start=2, stop=9, rung=1, reported=2, config=config))
    assert (second.status, second.step, second.value, len(reports)) == (OutcomeStatus.COMPLETED, 2, 0.5, 0)
    third, reports = bench(function).run(work(start=2, stop=9, rung=1, reported=2, config=config))
    assert (third.status, third.step, third.value, len(reports)) == (OutcomeStatus.COMPLETED, 2, 0.5, 0)


def test_what_each_trial_prints_and_logs_goes_to_its_own_log(
    bench: Callable[..., Bench], work: Work, directory: SweepDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    handlers, logging.root.handlers = logging.root.handlers, []
    try:
        one = bench("talkative")
        for trial in (0, 1):
            one.run(work(trial=trial, stop=1))
    finally:
        logging.root.handlers = handlers
    for trial in (0, 1):
        lines = directory.log(trial).read_text().splitlines()
        assert lines == [f"trial {trial} {verb}" for verb in ("prints", "warns", "logs")]
    assert capsys.readouterr() == ("", "")


def test_a_trial_that_prints_nothing_has_no_log_and_one_that_goes_on_appends(
    bench: Callable[..., Bench], work: Work, directory: SweepDirectory
) -> None:
    bench("walk").run(work(trial=5))
    assert not directory.log(5).exists()
    one = bench("talkative")
    one.run(work(stop=1))
    one.run(work(start=1, stop=3, reported=1))
    assert directory.log(0).read_text().count("prints") == 3


def test_only_as_many_trials_stay_open_as_warm_allows_and_failing_clean_up_harms_nobody(
    bench: Callable[..., Bench], work: Work, tmp_path: Path, directory: SweepDirectory
) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    one = bench("notes_its_end", warm=2)
    closed = []
    for trial in range(4):
        outcome, _ = one.run(work(trial=trial, stop=1, config={"folder": str(folder)}))
        assert outcome.status is OutcomeStatus.COMPLETED
        closed.append(sorted(int(file.name) for file in folder.iterdir()))
    assert closed == [[], [], [0], [0, 1]]
    one.engine.close()
    assert len(list(folder.iterdir())) == 4
    assert "could not tidy up" in directory.log(2).read_text()


def test_a_pause_ends_work_before_its_first_step_and_another_worker_takes_it_up(
    bench: Callable[..., Bench], work: Work
) -> None:
    paused = bench("walk")
    paused.engine.pause()
    outcome, reports = paused.run(work(stop=9))
    assert (outcome.status, outcome.step, len(reports)) == (OutcomeStatus.INTERRUPTED, 0, 0)


def test_a_pause_in_the_middle_saves_the_trial_and_it_goes_on_from_there_to_the_bit(
    bench: Callable[..., Bench], work: Work
) -> None:
    _, whole = bench("walk").run(work(trial=1, stop=9, seed=100))

    class PausingQueue(ReportQueue):
        def append(self, assignment: Assignment, step: int, *rest: Any) -> None:
            super().append(assignment, step, *rest)
            if step == 4:
                one.engine.pause()

    one = bench("walk", reports=PausingQueue())
    outcome, before = one.run(work(stop=9))
    assert (outcome.status, outcome.step, outcome.value) == (OutcomeStatus.INTERRUPTED, 4, None)
    outcome, after = bench("walk").run(work(start=4, stop=9, reported=4))
    assert before.step.tolist() + after.step.tolist() == list(range(1, 10))
    losses = whole.metrics["loss"].tolist()
    assert before.metrics["loss"].tolist() + after.metrics["loss"].tolist() == losses
    assert (outcome.lowest, outcome.highest) == (min(losses), max(losses))
