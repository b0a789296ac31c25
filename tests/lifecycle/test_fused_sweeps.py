"""Whole sweeps of lanes that are trained as one model, on real Ray workers."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from caviar.scheduler import Results, ResultsError, RunSnapshot, StopReason, Sweep
from caviar.scheduler.lifecycle.recorded import load_spec
from caviar.scheduler.storage import SweepDirectory, read_journal
from caviar.search_spaces import Constant

from .lane_sweeps import lanes

Table = list[dict[str, Any]]
Lanes = Callable[..., Sweep]
COLUMNS = ["trial", "config_hidden", "bracket", "rung", "step", "state", "value", "best_value", "best_step"]
ALONE = {"cpu": 1, "count": 1}
RUN = "import sys; from caviar.scheduler import Sweep; Sweep.from_yaml(sys.argv[1]).run()"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.usefixtures("running_ray")]


def table_of(results: Results) -> Table:
    """The columns of the table of trials that are the same in every run of a spec."""
    table: Table = results.trials().select(COLUMNS).to_pylist()
    return table


def rounded(table: Table) -> Table:
    """The same without the digits in which a trial that is trained alone differs from one that is fused."""
    return [
        {name: float(f"{value:.3g}") if isinstance(value, float) else value for name, value in row.items()}
        for row in table
    ]


@pytest.fixture(scope="module")
def fused(running_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Table:
    """The table of a run that nothing disturbs, on one worker."""
    sweep = lanes(tmp_path_factory.mktemp("fused"), workers=ALONE)
    return table_of(sweep.run())


def test_two_workers_give_the_table_of_one_to_the_bit(
    fused: Table, check_reports: Callable[[Results], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "caviar"):
        results = lanes(tmp_path).run()
    assert [record.message for record in caplog.records] == ["Fusing up to 8 trials that have layers in common."]
    assert table_of(results) == fused
    assert {row["state"] for row in fused} == {"stopped", "completed", "diverged"}
    check_reports(results)


def test_trials_that_are_restored_at_every_rung_give_the_table_of_warm_ones(fused: Table, tmp_path: Path) -> None:
    assert table_of(lanes(tmp_path, workers={"cpu": 1, "count": 2, "warm": 0}).run()) == fused


@pytest.mark.parametrize("fuse", ["off", 64])
def test_every_group_size_gives_the_same_table_but_for_rounding(fused: Table, tmp_path: Path, fuse: Any) -> None:
    assert rounded(table_of(lanes(tmp_path, fuse=fuse, workers=ALONE).run())) == rounded(fused)


def test_a_fused_sweep_that_is_killed_and_then_stopped_half_way_goes_on_to_the_same_table(
    fused: Table, check_reports: Callable[[Results], None], tmp_path: Path
) -> None:
    spec, directory = tmp_path / "spec.yaml", tmp_path / "waves"
    spec.write_text(lanes(tmp_path, space={"pace": Constant(30)}).spec.to_yaml())
    process = subprocess.Popen([sys.executable, "-c", RUN, spec], start_new_session=True)
    while count_reports(directory) < 40:
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert read_journal(directory / "journal")[-1].get("reason") != "finished", "the sweep was over before it was hit"
    sweep = Sweep.resume(directory)
    check_reports(sweep.run(partial(stop_half_way, SweepDirectory(directory))))
    assert sweep.stop_reason is StopReason.INTERRUPTED
    results = Sweep.resume(directory).run()
    assert table_of(results) == fused
    check_reports(results)


def stop_half_way(directory: SweepDirectory, snapshot: RunSnapshot) -> None:
    """Asks a sweep to stop when it has gone some way further than where it was killed."""
    if snapshot.state.spent >= 70:
        directory.stop.touch()


def count_reports(directory: Path) -> int:
    try:
        return len(Results.open(directory).reports())
    except ResultsError:
        return 0


def test_a_worker_that_is_killed_fails_its_group_once_and_each_trial_is_trained_again_alone(
    fused: Table, check_reports: Callable[[Results], None], tmp_path: Path
) -> None:
    space = {"marker": Constant(str(tmp_path / "killed"))}
    results = lanes(tmp_path, "KilledOnce", space=space).run()
    assert rounded(table_of(results)) == rounded(fused)
    attempts = results.trials()["attempt"].to_pylist()
    assert 1 < sum(attempts) <= 8
    assert max(attempts) == 1
    check_reports(results)


def test_lanes_that_raise_fail_and_take_no_other_with_them(
    fused: Table, check_reports: Callable[[Results], None], tmp_path: Path
) -> None:
    results = lanes(tmp_path, "Fussy", controller="random", budget={"trials": 12}, max_failures=0, workers=ALONE).run()
    rows = results.trials().to_pylist()
    assert {row["config_hidden"] % 2 for row in rows} == {0, 1}
    for row in rows:
        assert (row["state"] == "failed") == (row["config_hidden"] % 2 == 1)
        if row["state"] == "failed":
            assert row["error"].endswith(f"ValueError: {row['config_hidden']} is odd\n")
    check_reports(results)


def test_the_size_is_measured_once_and_becomes_part_of_the_sweep(
    fused: Table, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sweep = lanes(tmp_path, fuse="auto", workers=ALONE)
    with caplog.at_level(logging.INFO, "caviar"):
        results = sweep.run()
    assert rounded(table_of(results)) == rounded(fused)
    chosen = sweep.spec.fuse
    assert (chosen.static, chosen.padded) == (("layers",), ("hidden",))
    assert isinstance(chosen.size, int)
    assert load_spec(sweep.directory).fuse == chosen
    assert [record.message.split()[0] for record in caplog.records] in (["Fusing"], ["Training"])
    caplog.clear()
    again = Sweep.resume(sweep.directory)
    with caplog.at_level(logging.INFO, "caviar"):
        assert table_of(again.run()) == table_of(results)
    assert again.spec.fuse == chosen
    assert not caplog.records


def test_where_the_size_cannot_be_measured_trials_are_trained_alone_and_say_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sweep = lanes(tmp_path, "Unreadable", fuse="auto", budget={"trials": 3}, max_failures=0, workers=ALONE)
    with caplog.at_level(logging.INFO, "caviar"):
        results = sweep.run()
    assert sweep.spec.fuse.size == 1
    assert [record.message for record in caplog.records] == [
        "Training one trial at a time: how many to fuse could not be measured (FileNotFoundError: no such waves)."
    ]
    assert {row["state"] for row in results.trials().to_pylist()} == {"failed"}
