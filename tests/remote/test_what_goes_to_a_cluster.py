"""What is packed, named and run for a sweep on a cluster."""

import os
import subprocess
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from caviar.scheduler.errors import SweepError
from caviar.scheduler.remote import submission, working_directory
from caviar.scheduler.remote.client import Job, Package
from caviar.scheduler.remote.connection import Connection, find_token, given_address
from caviar.scheduler.remote.naming import is_query_job, query_job_id, run_id, runs_of
from caviar.scheduler.remote.remote import entrypoint
from caviar.scheduler.remote.submission import prepare_run

from .conftest import write_project


def names_in(package: Package) -> set[str]:
    with zipfile.ZipFile(BytesIO(package.data)) as archive:
        return set(archive.namelist())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project")


def prepared(project: Path, **values: Any) -> submission.Submission:
    return prepare_run(project / "sweep.yaml", {name.replace("__", "."): value for name, value in values.items()})


@pytest.mark.parametrize("repository", ["here", "above", "ignores it", "none"])
def test_a_folder_goes_without_what_git_ignores_environments_caches_and_sweeps(repository: str, project: Path) -> None:
    if repository != "none":
        subprocess.run(["git", "init", "--quiet", project if repository == "here" else project.parent], check=True)
    if repository == "ignores it":
        (project.parent / ".gitignore").write_text("*\n")
    for name in (
        ".venv/bin/python",
        "__pycache__/x.pyc",
        "sweeps/old/sweep.yaml",
        "mine/x/sweep.yaml",
        "mine/x/journal/1",
    ):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("")
    (project / "models").mkdir()
    (project / "models" / "net.py").write_text("")
    assert names_in(prepared(project).packages[1]) == {
        ".gitignore",
        "data/numbers.csv",
        "models/net.py",
        "shapes.py",
        "sweep.yaml",
        "train.py",
    }


def test_without_git_a_folder_goes_all_the_same(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "secret.txt" in names_in(prepared(project).packages[1])


def test_equal_folders_make_one_package_whatever_the_clock_says(project: Path) -> None:
    first = prepared(project)
    os.utime(project / "train.py", (0, 0))
    assert prepared(project).packages == first.packages
    assert prepared(project).digest == first.digest
    assert prepared(project, budget__trials=3).digest != first.digest
    (project / "shapes.py").write_text("def parabola(x):\n    return x\n")
    assert prepared(project).digest != first.digest


def test_a_folder_that_is_too_large_is_one_sentence_with_sizes(project: Path) -> None:
    with (project / "weights.bin").open("wb") as file:
        file.truncate(working_directory.LIMIT_BYTES + 1)
    with pytest.raises(
        SweepError, match=r"^.*/project: its files take 100 MiB, and a cluster takes 100 MiB; the largest is"
    ):
        prepared(project)


@pytest.mark.parametrize(
    ("field", "value"), [("data", "../outside.csv"), ("trainer", "../outside.py:train"), ("warm_start", "../outside")]
)
def test_what_lies_outside_of_the_folder_is_refused_in_one_sentence(field: str, value: str, project: Path) -> None:
    for name in ("outside.csv", "outside.py"):
        (project.parent / name).write_text("")
    with pytest.raises(
        SweepError, match=rf"^{field}: only the spec's folder .* goes to the cluster, and '\.\./outside"
    ):
        prepared(project, **{field: value})


def test_absolute_paths_into_the_folder_go_along_and_others_are_the_clusters(project: Path) -> None:
    inside = prepared(project, data=str(project / "data" / "numbers.csv"), trainer=f"{project}/train.py:train")
    assert inside.arguments[2:4] == ["--set", 'data="data/numbers.csv"']
    assert 'trainer="train.py:train"' in inside.arguments
    elsewhere = prepared(project, data="/data/on/the/nodes")
    assert 'data="/data/on/the/nodes"' in elsewhere.arguments


@pytest.mark.parametrize(
    ("storage", "place"),
    [
        ("sweeps", "sweeps/gated"),
        ("runs/today/", "runs/today/gated"),
        ("~/sweeps", "~/sweeps/gated"),
        ("/data/sweeps", "/data/sweeps/gated"),
        ("s3://bucket/sweeps?region=eu-central-1", "s3://bucket/sweeps/gated?region=eu-central-1"),
        ("file:///data/sweeps", "/data/sweeps/gated"),
    ],
)
def test_where_a_sweep_lies_is_for_the_cluster_to_say(storage: str, place: str, project: Path) -> None:
    made = prepared(project, storage=storage)
    assert made.directory == place
    assert not [word for word in made.arguments if "storage" in word]


def test_the_line_for_the_clusters_shell_quotes_what_a_person_gave() -> None:
    line = entrypoint(["run", "my sweep.yaml", "--set", 'metric="$(id)\'"'], "sweeps/x")
    run = subprocess.run(
        ["sh", "-c", line.replace("python -m", "printf '%s\\n'")], capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines()[1:] == [
        "--sweep",
        "sweeps/x",
        "--",
        "run",
        "my sweep.yaml",
        "--set",
        'metric="$(id)\'"',
    ]


def test_requirements_are_packages_and_no_files_of_this_machine(project: Path) -> None:
    (project / "requirements.txt").write_text("# ours\nduckdb>=1.1  # SQL\n\npolars\n")
    made = prepare_run(project / "sweep.yaml", {}, project / "requirements.txt")
    assert made.runtime_env["pip"] == {"packages": ["duckdb>=1.1", "polars"], "pip_check": False}
    (project / "requirements.txt").write_text("-e ../mine\n")
    with pytest.raises(
        SweepError, match=r"^--requirements: .* has the line '-e \.\./mine', which names a file of this"
    ):
        prepare_run(project / "sweep.yaml", {}, project / "requirements.txt")


def test_the_jobs_of_a_sweep_are_numbered_and_no_other_sweeps() -> None:
    def job(number: int, name: str) -> Job:
        return Job(run_id(name, number), "FAILED", "", {"caviar_sweep": name}, {}, None, None)

    jobs = [job(2, "digits"), job(1, "digits.2"), job(1, "digits"), job(3, "digits"), job(1, "digit")]
    assert [one.id for one in runs_of("digits", jobs)] == ["caviar-digits", "caviar-digits~2", "caviar-digits~3"]
    assert [one.id for one in runs_of("digits.2", jobs)] == ["caviar-digits.2"]
    assert is_query_job(query_job_id("status"))
    assert query_job_id("status") != query_job_id("status")
    assert not is_query_job(run_id("status", 2))


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        (
            "127.0.0.1:8265",
            r"^--address: it must be a URL such as http://127\.0\.0\.1:8265, got '127\.0\.0\.1:8265'\.$",
        ),
        ("ray://head:10001", r"^--address: it must be a URL"),
        ("auto", r"^--address: it must be a URL"),
        ("http://", r"^--address: it must be a URL"),
        ("http://head:port", r"^--address: it must be a URL"),
        ("http://me:hunter2@head:8265", r"^--address: a URL is shown and stored, so no secret goes into it; put the"),
    ],
)
def test_an_address_is_the_url_of_a_dashboard_without_a_secret(address: str, sentence: str) -> None:
    with pytest.raises(SweepError, match=sentence) as raised:
        given_address(address)
    assert "hunter2" not in str(raised.value)


def test_the_address_is_rays_variables_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://head:8265/")
    assert given_address(None) == "http://head:8265"
    assert given_address("https://other") == "https://other"
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS")
    with pytest.raises(
        SweepError, match=r"^--address: give the address of Ray's dashboard, .* RAY_API_SERVER_ADDRESS\.$"
    ):
        given_address(None)


def test_a_token_is_looked_for_and_never_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    assert find_token() is None
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("home\n")
    assert find_token() == "home"
    (tmp_path / "other").write_text("named")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "other"))
    assert find_token() == "named"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "given")
    assert find_token() == "given"
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path))
    with pytest.raises(SweepError, match=r"Ray's token cannot be read from it"):
        find_token()


def test_nobody_at_the_address_is_one_sentence() -> None:
    with pytest.raises(SweepError, match=r"^--address: no Ray answers at http://127\.0\.0\.1:1 \(.*refused.*\); look"):
        Connection("http://127.0.0.1:1", None).check()
