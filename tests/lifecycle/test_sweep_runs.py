"""Whole sweeps on real Ray workers: the table of trials is a function of the spec and the seed, whatever happens."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
import ray

from caviar.scheduler import Results, RunSnapshot, StopReason, Sweep, SweepError, SweepLockedError, WorkerError
from caviar.scheduler.storage import SweepDirectory, SweepLock
from caviar.search_spaces import Constant, Log
from caviar.trainers import TrainerError, Trial

Table = list[dict[str, Any]]
TableOf = Callable[[Results], Table]
DESCEND = "plain_code.py:descend"
ONE = {"cpu": 1, "count": 1}
"""A worker, where a second one shows nothing."""
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("running_ray")]


def test_two_workers_give_the_table_of_one(
    torch_reference: Results, sweep_of: Callable[..., Sweep], table_of: TableOf, tmp_path: Path
) -> None:
    results = sweep_of(tmp_path, "torch_code.py:regress").run()
    assert table_of(results) == table_of(torch_reference)
    assert (results.best.trial, results.best.value) == (torch_reference.best.trial, torch_reference.best.value)


def test_every_step_of_every_trial_is_reported_once(
    reference: Results, torch_reference: Results, check_reports: Callable[[Results], None]
) -> None:
    for results in (reference, torch_reference):
        check_reports(results)
        assert set(results.trials()["state"].to_pylist()) == {"stopped", "completed"}


def test_the_best_trials_checkpoint_is_there(reference: Results) -> None:
    checkpoint = reference.best.checkpoint
    assert checkpoint is not None
    assert (checkpoint / "manifest.json").is_file()


def test_trials_that_are_restored_at_every_rung_give_the_table_of_warm_ones(
    torch_reference: Results, sweep_of: Callable[..., Sweep], table_of: TableOf, tmp_path: Path
) -> None:
    results = sweep_of(tmp_path, "torch_code.py:regress", workers={"cpu": 1, "count": 2, "warm": 0}).run()
    assert table_of(results) == table_of(torch_reference)
    columns = ["trial", "step", "val_loss", "norm"]
    assert results.reports().select(columns).equals(torch_reference.reports().select(columns))


def test_a_worker_that_is_killed_in_the_middle_of_a_trial_changes_nothing(
    reference: Results,
    sweep_of: Callable[..., Sweep],
    table_of: TableOf,
    check_reports: Callable[[Results], None],
    tmp_path: Path,
) -> None:
    marker, killed = tmp_path / "process", list[int]()

    def kill_it_once(snapshot: RunSnapshot) -> None:
        if marker.exists() and not killed:
            killed.append(int(marker.read_text()))
            os.kill(killed[0], signal.SIGKILL)

    space = {"marker": Constant(str(marker))}
    results = sweep_of(tmp_path, "plain_code.py:wander_and_wait_to_be_killed", space=space).run(kill_it_once)
    assert killed
    assert table_of(results) == table_of(reference)
    assert sum(results.trials()["attempt"].to_pylist()) == 1
    check_reports(results)


def test_a_training_exception_fails_its_trial_after_max_failures_retries_and_shows_the_traceback(
    sweep_of: Callable[..., Sweep], tmp_path: Path
) -> None:
    results = sweep_of(
        tmp_path, "plain_code.py:descend_or_fail", budget={"trials": 9}, max_failures=2, workers=ONE
    ).run()
    rows = results.trials().to_pylist()
    odd, even = rows[1::2], rows[0::2]
    assert {(row["state"], row["attempt"], row["value"]) for row in odd} == {("failed", 2, None)}
    assert not {row["state"] for row in even} & {"failed", "diverged"}
    assert [row["error"] for row in even] == [None] * len(even)
    error = odd[0]["error"]
    assert error.startswith("Traceback")
    assert error.endswith("RuntimeError: trial 1 is odd\n")
    assert SweepDirectory(tmp_path / "digits").log(1).read_text() == 3 * error


def test_a_sweep_that_was_asked_to_stop_goes_on_where_it_stopped(
    reference: Results,
    sweep_of: Callable[..., Sweep],
    table_of: TableOf,
    check_reports: Callable[[Results], None],
    tmp_path: Path,
) -> None:
    directory = SweepDirectory(tmp_path / "digits")

    def stop_half_way(snapshot: RunSnapshot) -> None:
        if snapshot.state.spent >= 20:
            directory.stop.touch()

    sweep = sweep_of(tmp_path)
    results = sweep.run(stop_half_way)
    if sweep.stop_reason is not StopReason.FINISHED:
        assert sweep.stop_reason is StopReason.INTERRUPTED
        check_reports(results)
    resumed = Sweep.resume(directory.path)
    results = resumed.run()
    assert resumed.stop_reason is StopReason.FINISHED
    assert table_of(results) == table_of(reference)
    check_reports(results)


def test_a_run_that_ends_at_once_goes_on_from_what_was_recorded(
    reference: Results,
    sweep_of: Callable[..., Sweep],
    table_of: TableOf,
    check_reports: Callable[[Results], None],
    tmp_path: Path,
) -> None:
    def interrupt_half_way(snapshot: RunSnapshot) -> None:
        if snapshot.state.spent >= 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep_of(tmp_path).run(interrupt_half_way)
    results = Sweep.resume(tmp_path / "digits").run()
    assert table_of(results) == table_of(reference)
    check_reports(results)


def test_a_finished_sweep_can_be_resumed_and_nothing_changes_and_is_no_place_for_another(
    sweep_of: Callable[..., Sweep], table_of: TableOf, tmp_path: Path
) -> None:
    first = sweep_of(tmp_path, DESCEND, budget={"trials": 3}, workers=ONE).run()
    before, reports = table_of(first), first.reports()
    again = Sweep.resume(tmp_path / "digits")
    assert table_of(again.run()) == before
    assert again.stop_reason is StopReason.FINISHED
    assert again.results.reports().equals(reports)
    with pytest.raises(SweepError, match=rf"^{tmp_path}/digits already holds a sweep: go on with it \(caviar resume "):
        sweep_of(tmp_path, DESCEND, budget={"trials": 1}).run()


def test_results_can_be_read_while_the_sweep_runs(sweep_of: Callable[..., Sweep], tmp_path: Path) -> None:
    rows, trials = list[int](), list[int]()

    def read(snapshot: RunSnapshot) -> None:
        results = Results.open(tmp_path / "digits")
        rows.append(results.sql("select count(*) as n from reports").to_pylist()[0]["n"])
        trials.append(len(results.trials()))

    results = sweep_of(tmp_path, DESCEND, budget={"trials": 9}, workers=ONE).run(read)
    assert rows == sorted(rows)
    assert rows[-1] == len(results.reports())
    assert (max(trials), trials[-1]) == (9, 9)


def test_a_second_run_is_told_who_runs_the_sweep(sweep_of: Callable[..., Sweep], tmp_path: Path) -> None:
    directory = SweepDirectory(tmp_path / "digits")
    directory.create()
    with SweepLock(directory.lock), pytest.raises(SweepLockedError, match=f"process {os.getpid()} on "):
        sweep_of(tmp_path).run()


def test_gpus_where_there_are_none_are_one_sentence(sweep_of: Callable[..., Sweep], tmp_path: Path) -> None:
    with pytest.raises(WorkerError) as refusal:
        sweep_of(tmp_path, DESCEND, workers={"cpu": 1, "gpu": 1}).run()
    has = ray.cluster_resources()["CPU"]  # type: ignore[no-untyped-call]
    assert str(refusal.value) == (
        f"workers: a worker needs 1 CPUs and 1 GPUs, and Ray has {has:g} and 0 in all; ask for less."
    )


def test_a_run_that_failed_before_its_first_trial_leaves_its_name_free(
    sweep_of: Callable[..., Sweep], tmp_path: Path
) -> None:
    with pytest.raises(WorkerError):
        sweep_of(tmp_path, DESCEND, workers={"cpu": 1, "gpu": 1}).run()
    corrected = sweep_of(tmp_path, DESCEND, budget={"trials": 2}, metric="val_loss", mode="max", workers=ONE)
    assert len(corrected.run().trials()) == 2
    assert Sweep.resume(tmp_path / "digits").spec.mode == "max"


def test_a_finished_sweep_lets_the_training_code_clean_up(sweep_of: Callable[..., Sweep], tmp_path: Path) -> None:
    fields = {"space": {"folder": Constant(str(tmp_path))}, "budget": {"trials": 3}, "workers": ONE}
    sweep_of(tmp_path, "plain_code.py:clean_up", **fields).run()
    assert sorted(path.name for path in tmp_path.glob("*.closed")) == ["0.closed", "1.closed", "2.closed"]


def test_training_code_that_cannot_be_sent_to_workers_is_one_sentence(tmp_path: Path) -> None:
    lock = Lock()

    def locked(trial: Trial) -> Iterator[dict[str, float]]:
        with lock:
            yield {"val_loss": 1.0}

    space = {"lr": Log(0.1, 1.0)}
    sweep = Sweep(locked, space=space, metric="val_loss", resource={"max": 1}, budget={"trials": 1}, storage=tmp_path)
    with pytest.raises(
        TrainerError, match=r"locked cannot be sent to the workers \(cannot pickle '_thread.lock' object"
    ):
        sweep.run()


def test_a_budget_of_hours_ends_the_sweep_and_a_resumed_one_has_no_time_left(
    sweep_of: Callable[..., Sweep], tmp_path: Path
) -> None:
    sweep = sweep_of(tmp_path, DESCEND, budget={"hours": 2 / 3600}, workers=ONE)
    spent = sum(sweep.run().trials()["step"].to_pylist())
    assert sweep.stop_reason is StopReason.OUT_OF_TIME
    again = Sweep.resume(tmp_path / "digits")
    assert sum(again.run().trials()["step"].to_pylist()) == spent
    assert again.stop_reason is StopReason.OUT_OF_TIME


def test_a_directory_that_cannot_be_made_is_said_in_one_sentence(
    sweep_of: Callable[..., Sweep], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SweepError, match=rf"^storage: the sweep's directory {tmp_path}/file/digits cannot be made "):
        sweep_of(tmp_path / "file").run()
