"""One sweep on a real head from its submission to its copy here, in the order in which a person does it."""

import json
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from caviar.scheduler.analysis.status import SweepCondition, sweep_status
from caviar.scheduler.remote.client import JobsClient
from caviar.scheduler.remote.naming import runs_of

from .conftest import Head, Run, begin, write_project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def lying(head: Head) -> Path:
    """Where the sweep lies on the cluster, which is this machine."""
    return head.storage / "sweeps" / "gated"


@pytest.fixture(scope="module")
def submitted(project: Path, there: Run) -> subprocess.CompletedProcess[str]:
    return there("submit", "sweep.yaml", "--json", cwd=project)


@pytest.fixture(scope="module")
def following(head: Head, project: Path, submitted: Any) -> Any:
    """The program that follows the sweep, from its beginning on."""
    with begin(head, "follow", "gated", cwd=project) as process:
        yield process
        if process.poll() is None:
            process.kill()


def wait_for(happened: Callable[[], object]) -> None:
    """Looks until something has happened in another process that says nothing when it does."""
    while not happened():
        time.sleep(0.05)


def one_sentence(run: subprocess.CompletedProcess[str]) -> str:
    assert run.stdout == ""
    lines = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, run.stderr
    assert "Traceback" not in run.stderr
    return lines[0]


def test_a_sweep_is_submitted_with_its_folder_and_lies_in_the_storage_of_the_head(
    submitted: subprocess.CompletedProcess[str], lying: Path
) -> None:
    assert submitted.returncode == 0, submitted.stderr
    said = json.loads(submitted.stdout)
    assert said == {"sweep": "gated", "job": "caviar-gated", "new": True, "directory": str(lying)}
    assert (lying / "sweep.yaml").is_file()


def test_doctor_looks_at_the_cluster_from_there_with_the_spec_of_here(project: Path, there: Run) -> None:
    looked = there("doctor", "sweep.yaml", "--set", "workers.gpu=4", "--json", cwd=project)
    assert looked.returncode == 1, looked.stderr
    found = json.loads(looked.stdout)
    (broken,) = [one["sentence"] for one in found["findings"] if one["severity"] == "broken"]
    assert "GPU" in broken


def test_what_git_ignores_stays_here_but_for_the_data_that_the_spec_names(
    submitted: Any, head: Head, project: Path
) -> None:
    (sent,) = [path.parent for path in head.token.parent.rglob("working_dir_files/*/sweep.yaml")]
    assert {path.relative_to(sent).as_posix() for path in sent.rglob("*") if path.is_file()} - {
        path.relative_to(sent).as_posix() for path in sent.rglob("__pycache__/*")
    } == {".gitignore", "sweep.yaml", "train.py", "shapes.py", "data/numbers.csv"}


def test_submitting_it_again_while_it_runs_is_one_job(submitted: Any, project: Path, there: Run) -> None:
    again = there("submit", "sweep.yaml", "--json", cwd=project)
    assert again.returncode == 0, again.stderr
    assert (json.loads(again.stdout)["job"], json.loads(again.stdout)["new"]) == ("caviar-gated", False)
    other = there("submit", "sweep.yaml", "--set", "budget.trials=13", cwd=project)
    assert other.returncode == 2
    assert "gated runs on http://127.0.0.1:" in one_sentence(other)
    assert "with another spec or other code: choose another --name" in one_sentence(other)


def test_stop_waits_for_the_steps_and_whoever_follows_is_told(
    head: Head, following: subprocess.Popen[str], project: Path, lying: Path
) -> None:
    wait_for(lambda: sweep_status(lying).best)
    with begin(head, "stop", "gated", "--json", cwd=project) as stopping:
        wait_for((lying / "stop").exists)
        (project / "gate").touch()
        out, err = stopping.communicate()
    assert (stopping.returncode, json.loads(out)) == (0, {"stopped": True}), err
    out, err = following.communicate()
    assert following.returncode == 130
    assert out == ""
    assert f"gated lies in {lying}" in err
    assert re.search(r"trials \d+ of 12", err), "its progress came through"
    assert "::caviar" not in err
    assert f"caviar resume gated --address {head.address}" in err


@pytest.mark.parametrize("command", [("status",), ("trials", "--sort", "trial", "--limit", "2"), ("best",)])
def test_what_is_asked_over_the_address_is_what_the_directory_says(
    command: tuple[str, ...], lying: Path, project: Path, there: Run, here: Run
) -> None:
    remote = there(command[0], "gated", *command[1:], "--json", cwd=project)
    local = here(command[0], lying, *command[1:], "--json", cwd=project)
    assert remote.returncode == 0, remote.stderr
    assert remote.stdout == local.stdout
    assert json.loads(remote.stdout)


def test_a_sweep_that_was_stopped_is_resumed_and_not_submitted_anew(project: Path, there: Run) -> None:
    again = there("submit", "sweep.yaml", cwd=project)
    assert again.returncode == 2
    assert "gated was stopped on" in one_sentence(again)
    assert "caviar resume gated --address http://127.0.0.1:" in one_sentence(again)


FORGET = """\
import sys

import ray
from ray.experimental.internal_kv import _internal_kv_del

ray.init(log_to_driver=False)
_internal_kv_del(sys.argv[1])
"""


def test_resume_goes_on_with_the_code_that_was_submitted_and_ends_as_a_run_does(
    head: Head, project: Path, lying: Path, there: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(head.token))
    client = JobsClient(head.address)
    code = runs_of("gated", client.jobs())[0].runtime_env["working_dir"]
    # As Ray does ten minutes after the last job that used it.
    client.submit("forget", shlex.join(["python", "-c", FORGET, code]), {}, {})
    wait_for(lambda: not client.has(code))
    assert [path.name for path in (lying / "code").iterdir()] == [code.removeprefix("gcs://")]
    resumed = there("resume", "gated", "--set", "budget.trials=14", "--follow", cwd=project)
    assert resumed.returncode == 0, resumed.stderr
    assert "as the job caviar-gated~2" in resumed.stderr
    assert re.match(r"best loss 0\.\d+ at epoch \d of trial \d+\n", resumed.stdout), resumed.stdout


def test_who_follows_a_job_that_has_ended_gets_its_result(project: Path, there: Run) -> None:
    followed = there("follow", "gated", "--json", cwd=project)
    assert followed.returncode == 0, followed.stderr
    outcome = json.loads(followed.stdout)
    assert (outcome["trials"], outcome["reason"], outcome["metric"]) == (14, "finished", "loss")


def test_a_copy_has_the_results_and_the_best_checkpoint_and_is_brought_up_to_date(
    lying: Path, project: Path, there: Run, here: Run
) -> None:
    copy = project / "sweeps" / "gated"
    for _ in range(2):
        fetched = there("fetch", "gated", "--json", cwd=project)
        assert fetched.returncode == 0, fetched.stderr
        assert json.loads(fetched.stdout) == {"directory": "sweeps/gated"}
    assert [path.name for path in (project / "sweeps").iterdir()] == ["gated"]
    wait_for(lambda: not list(lying.parents[2].rglob("caviar-fetch-*.tar")))
    count = duckdb.execute(f"SELECT count(DISTINCT trial) FROM '{copy}/results/*.parquet'").fetchall()
    assert count == [(14,)]
    best = json.loads(here("best", "sweeps/gated", "--json", cwd=project).stdout)
    assert Path(project / best["checkpoint"] / "manifest.json").is_file()
    assert len(list((copy / "checkpoints").glob("*/*"))) == 1
    status = here("status", "sweeps/gated", "--json", cwd=project)
    assert json.loads(status.stdout)["condition"] == "finished"
    assert "this is a copy of gated on http://127.0.0.1:" in status.stderr


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"RAY_AUTH_TOKEN": "0" * 64}, "refuses the token, which is another cluster's: put the cluster's token into"),
        ({"RAY_AUTH_TOKEN_PATH": "/nonexistent/token"}, "asks for a token: put the cluster's token into"),
    ],
)
def test_another_token_or_none_is_one_sentence(
    variables: dict[str, str], sentence: str, project: Path, there: Run
) -> None:
    for command in (["status", "gated"], ["submit", "sweep.yaml"]):
        run = there(*command, cwd=project, **variables)
        assert run.returncode == 2
        assert sentence in one_sentence(run)
        assert "0000" not in run.stderr, "the token is not shown"


def test_a_sweep_that_nobody_submitted_is_one_sentence(project: Path, there: Run) -> None:
    run = there("best", "gatet", cwd=project)
    assert run.returncode == 2
    assert "gatet: no sweep of this name was submitted to" in one_sentence(run)
    assert "(gated)" in one_sentence(run)


def test_a_run_that_fails_before_it_begins_says_why(project: Path, there: Run) -> None:
    failed = there("submit", "sweep.yaml", "--name", "other", "--set", "trainer=train.py:tran", cwd=project)
    assert failed.returncode == 2
    assert failed.stdout == ""
    assert "has no 'tran'" in failed.stderr


def test_it_may_be_submitted_again_and_ctrl_c_ends_the_following_alone(head: Head, project: Path) -> None:
    (project / "gate").unlink()
    with begin(head, "submit", "sweep.yaml", "--name", "other", "--follow", cwd=project) as process:
        assert process.stderr is not None
        said = [next(line for line in process.stderr if place in line) for place in ("the job", "lies in")]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert said == [
        "other was submitted as the job caviar-other~2\n",
        f"other lies in {head.storage / 'sweeps' / 'other'}\n",
    ]
    assert (process.returncode, out) == (130, "")
    assert f"other goes on; follow it again with: caviar follow other --address {head.address}" in err
    assert sweep_status(head.storage / "sweeps" / "other").condition is SweepCondition.RUNNING


def test_a_head_that_is_gone_is_one_sentence_also_to_who_follows(head: Head, project: Path, there: Run) -> None:
    with begin(head, "follow", "other", cwd=project) as following:
        assert following.stderr is not None
        assert "other" in following.stderr.readline()
        head.kill()
        out, err = following.communicate()
    assert (following.returncode, out) == (1, "")
    assert err.splitlines()[-1].startswith(f"error: --address: no Ray answers at {head.address} (")
    run = there("status", "other", cwd=project)
    assert run.returncode == 1
    assert f"no Ray answers at {head.address}" in one_sentence(run)
