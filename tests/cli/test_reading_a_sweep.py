"""run's results, status, trials, best and report, on one sweep that has finished."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from caviar.scheduler import Results

Finished = tuple[Path, subprocess.CompletedProcess[str]]
PROGRAM = Path(sys.executable).with_name("caviar")


@pytest.fixture
def folder(finished: Finished) -> Path:
    return finished[0]


@pytest.fixture
def best(folder: Path) -> Any:
    return Results.open(folder / "sweeps" / "small").best


def from_json(run: subprocess.CompletedProcess[str]) -> Any:
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_a_run_ends_with_the_best_configuration_and_where_everything_is(finished: Finished, best: Any) -> None:
    _, run = finished
    assert run.returncode == 0, run.stderr
    assert f"best loss {best.value:.4g} at epoch {best.step} of trial {best.trial}" in run.stdout
    assert "accuracy 0." in run.stdout
    for place in ("sweeps/small/results/*.parquet", "sweeps/small/trials.parquet", "caviar report sweeps/small"):
        assert place in run.stdout


def test_progress_goes_to_standard_error_in_plain_lines(finished: Finished) -> None:
    _, run = finished
    assert "12 trials" in run.stderr
    assert "ended · trials 12 of 12" in run.stderr
    assert "\x1b" not in run.stderr + run.stdout


def test_what_training_code_prints_when_it_is_imported_is_no_result(finished: Finished) -> None:
    _, run = finished
    assert "imported by" in run.stderr
    assert "imported by" not in run.stdout


def test_the_parquet_files_that_a_run_names_can_be_queried(folder: Path) -> None:
    query = f"select count(distinct trial) from '{folder}/sweeps/small/results/*.parquet'"
    with duckdb.connect() as connection:
        rows = connection.execute(query).fetchall()
    assert rows == [(12,)]


def test_the_same_name_is_refused_a_second_time(folder: Path, caviar: Any) -> None:
    run = caviar("run", "sweep.yaml", cwd=folder)
    assert run.returncode == 2
    assert "already holds a sweep" in run.stderr
    assert "caviar resume" in run.stderr


def test_status_says_what_is_done(folder: Path, caviar: Any) -> None:
    run = caviar("status", "sweeps/small", cwd=folder)
    assert run.returncode == 0
    assert "small: finished" in run.stdout
    assert "trials    12 of 12" in run.stdout


def test_status_as_json_has_every_bracket_full(folder: Path, caviar: Any) -> None:
    status = from_json(caviar("status", "sweeps/small", "--json", cwd=folder))
    assert (status["condition"], status["holder"], status["runs"]) == ("finished", None, 1)
    assert status["progress"]["trials"] == status["progress"]["planned_trials"] == 12
    assert status["progress"]["resource"] == status["progress"]["planned_resource"]
    assert all(rung["results"] == rung["planned"] for each in status["progress"]["brackets"] for rung in each["rungs"])


def test_trials_come_best_first_and_all_of_them_as_json(folder: Path, caviar: Any, best: Any) -> None:
    trials = from_json(caviar("trials", "sweeps/small", "--json", cwd=folder))
    assert len(trials) == 12
    assert trials[0]["trial"] == best.trial
    assert trials[0]["config"] == dict(best.config)
    assert [trial["best_value"] for trial in trials] == sorted(trial["best_value"] for trial in trials)


def test_trials_can_be_sorted_by_number_and_limited(folder: Path, caviar: Any) -> None:
    trials = from_json(caviar("trials", "sweeps/small", "--json", "--sort", "trial", "--limit", "3", cwd=folder))
    assert [trial["trial"] for trial in trials] == [0, 1, 2]


def test_the_table_of_trials_says_how_many_it_leaves_out_on_standard_error(folder: Path, caviar: Any) -> None:
    run = caviar("trials", "sweeps/small", "--limit", "2", cwd=folder)
    assert len(run.stdout.splitlines()) == 3
    assert "<b>bold</b>" in caviar("trials", "sweeps/small", cwd=folder).stdout
    assert "2 of 12 trials" in run.stderr


def test_best_as_json_has_the_configuration_and_all_metrics(folder: Path, caviar: Any, best: Any) -> None:
    found = from_json(caviar("best", "sweeps/small", "--json", cwd=folder))
    assert found["config"] == dict(best.config)
    assert (
        found["checkpoint"] == from_json(caviar("status", "sweeps/small", "--json", cwd=folder))["best"]["checkpoint"]
    )
    assert found["metrics"] == {"loss": best.value, "accuracy": pytest.approx(1 - 1 / (best.step + 1))}


def test_report_writes_a_page_into_the_directory_or_where_it_is_told(folder: Path, caviar: Any, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder / "sweeps" / "small", copy)
    assert from_json(caviar("report", "copy", "--json", cwd=tmp_path)) == {"page": "copy/report.html"}
    assert (copy / "report.html").is_file()
    assert caviar("report", "copy", "--output", "page.html", cwd=tmp_path).stdout == "wrote page.html\n"
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_resuming_a_finished_sweep_trains_nothing_and_shows_the_results(
    folder: Path, caviar: Any, tmp_path: Path
) -> None:
    shutil.copytree(folder / "sweeps" / "small", tmp_path / "small")
    run = caviar("resume", "small", "--json", cwd=tmp_path)
    assert from_json(run)["reason"] == "finished"


def test_stop_has_nothing_to_do_where_nothing_runs(folder: Path, caviar: Any) -> None:
    assert from_json(caviar("stop", "sweeps/small", "--json", cwd=folder)) == {"stopped": False}


@pytest.mark.parametrize("command", ["status", "trials", "best", "importance", "report", "resume", "stop", "doctor"])
def test_a_directory_without_a_sweep_is_bad_input(command: str, tmp_path: Path, caviar: Any) -> None:
    run = caviar(command, "nothing", cwd=tmp_path)
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.startswith("error: ")
    assert "nothing" in run.stderr
    assert len(run.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["status", "trials", "best"])
def test_a_reader_that_goes_away_is_no_error(command: str, folder: Path) -> None:
    script = f'set -o pipefail; "{PROGRAM}" {command} sweeps/small | true; echo "${{PIPESTATUS[0]}}"'
    run = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert run.stdout.strip() in {"0", "141"}
    assert run.stderr == ""


def test_reading_imports_no_training_code_no_ray_and_no_torch(folder: Path) -> None:
    """One command after the other in one process; those that answer at once come first, and the page may use plotly."""
    program = (
        "import sys\n"
        "from caviar.scheduler.cli import main\n"
        "for command in ('trials', 'best', 'status', 'importance', 'report'):\n"
        "    sys.argv = ['caviar', command, 'sweeps/small']\n"
        "    try:\n        main()\n"
        "    except SystemExit as end:\n        assert not end.code\n"
        "    heavy = {'ray', 'torch', 'train'} | ({'plotly'} if command != 'report' else set())\n"
        "    if command in {'trials', 'best', 'status'}:\n"
        "        heavy |= {'duckdb', 'matplotlib', 'optuna', 'pandas', 'polars', 'scipy', 'sklearn'}\n"
        "    print(*(f'{command} imports {name}' for name in heavy & set(sys.modules)), end='', file=sys.stderr)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr.strip()) == (0, "")
    assert "imported by" not in run.stdout
