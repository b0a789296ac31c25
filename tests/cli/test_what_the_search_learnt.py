"""What the search has learnt, in status, importance, and at the end of a run."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from caviar.scheduler import RunSnapshot
from caviar.scheduler.analysis.importance import importance
from caviar.scheduler.analysis.progress import ProgressMeter
from caviar.scheduler.analysis.status import sweep_status
from caviar.scheduler.cli.output.progress import RunProgress, live_view
from caviar.scheduler.cli.output.summary import importance_view
from caviar.scheduler.lifecycle.recorded import RecordedSweep, load_spec
from caviar.scheduler.storage import SweepDirectory


@pytest.fixture(scope="module")
def storage(recorded: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sweep that has ended: `recorded`."""
    return recorded(tmp_path_factory.mktemp("learnt")).parent


def from_json(run: subprocess.CompletedProcess[str]) -> Any:
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_status_tells_where_the_search_looks_why_what_matters_and_what_is_wrong(storage: Path, caviar: Any) -> None:
    status = sweep_status(storage / "recorded")
    lines = [line.rstrip() for line in caviar("status", "recorded", cwd=storage).stdout.splitlines()]
    assert f"looking   {status.summary.looking}" in lines
    assert f"why       {status.summary.why}" in lines
    assert f"matters   {status.summary.matters}" in lines
    assert status.warnings
    assert [line for line in lines if line.startswith("warning")] == [f"warning   {text}" for text in status.warnings]


def test_status_as_json_has_the_region_the_shares_and_the_warnings(storage: Path, caviar: Any) -> None:
    status, found = sweep_status(storage / "recorded"), from_json(caviar("status", "recorded", "--json", cwd=storage))
    insight = status.summary.insight
    assert insight is not None
    assert found["insight"] == {
        "proposal": status.summary.proposal,
        "region": insight.region.to_json(),
        "change": insight.change,
        "shares": insight.shares,
    }
    assert (found["looking"], found["warnings"]) == (status.summary.looking, list(status.warnings))


def test_status_of_a_sweep_without_a_model_has_one_line_for_it(
    recorded: Callable[..., Path], tmp_path: Path, caviar: Any
) -> None:
    recorded(tmp_path, controller="grid", budget={"trials": 4})
    out = caviar("status", "recorded", cwd=tmp_path).stdout
    assert "looking   points are those of a grid" in out
    assert "matters" not in out
    assert from_json(caviar("status", "recorded", "--json", cwd=tmp_path))["insight"] is None


@pytest.mark.parametrize("method", ["model", "fanova", "ped_anova"])
def test_importance_is_what_python_says(storage: Path, caviar: Any, method: Any) -> None:
    run = caviar("importance", "recorded", "--method", method, "--json", cwd=storage)
    assert from_json(run) == pytest.approx(importance(storage / "recorded", method))
    assert run.stderr == ""


def test_importance_is_a_line_a_hyperparameter_largest_first(storage: Path, caviar: Any) -> None:
    lines = caviar("importance", "recorded", cwd=storage).stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(importance(storage / "recorded"))
    assert lines[0].split()[2] == "%"


def test_an_importance_of_zero_has_no_bar() -> None:
    console = Console(width=60)
    with console.capture() as shown:
        console.print(importance_view({"lr": 1.0, "width": 0.0}))
    assert [line.split() for line in shown.get().splitlines()] == [["lr", "100", "%", "█" * 24], ["width", "0", "%"]]


def test_few_results_are_bad_input(recorded: Callable[..., Path], tmp_path: Path, caviar: Any) -> None:
    recorded(tmp_path, controller="random", budget={"trials": 2})
    run = caviar("importance", "recorded", cwd=tmp_path)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("error: recorded: what matters shows from 10 results on")


def test_a_run_ends_with_the_warnings_on_standard_error_and_in_its_json(
    recorded: Callable[..., Path], project: Path, caviar: Any
) -> None:
    warnings = list(sweep_status(recorded(project, trainer="train.py:train")).warnings)
    run = caviar("resume", "recorded", "--json", cwd=project)
    assert from_json(run)["warnings"] == warnings
    assert f"warning: {warnings[0]}" in run.stderr


@pytest.fixture
def snapshot(storage: Path) -> RunSnapshot:
    """The end of the sweep, as an observer sees it."""
    state = RecordedSweep(SweepDirectory(storage / "recorded")).state
    return RunSnapshot(state, workers=1, elapsed_s=1.0, stopping=False)


def test_the_live_view_tells_where_the_search_looks_and_what_matters(storage: Path, snapshot: RunSnapshot) -> None:
    spec, summary = load_spec(storage / "recorded"), sweep_status(storage / "recorded").summary
    progress = ProgressMeter(spec).measure(snapshot.state.rows, snapshot.state.spent)
    console = Console(width=200)
    with console.capture() as shown:
        console.print(live_view(spec, snapshot, progress, None))
    assert summary.looking in shown.get()
    assert str(summary.matters) in shown.get()


def test_where_progress_is_lines_a_proposal_is_told_once(
    storage: Path, snapshot: RunSnapshot, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = sweep_status(storage / "recorded").summary
    with RunProgress(load_spec(storage / "recorded")) as progress:
        progress(snapshot)
        progress(RunSnapshot(snapshot.state, 1, 100.0, False))
    assert capsys.readouterr().err.count(f"{summary.why}; looking: {summary.looking}") == 1
