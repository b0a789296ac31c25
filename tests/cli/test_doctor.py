"""doctor on sweeps that have really run: what it says, its exit codes, and a real resume after a repair."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from caviar.scheduler import Results
from caviar.scheduler.doctor.files import examine

Finished = tuple[Path, subprocess.CompletedProcess[str]]


@pytest.fixture
def copy(finished: Finished, tmp_path: Path) -> Path:
    """A copy of the finished sweep, which nobody has damaged yet."""
    for name in ("train.py", "sweep.yaml"):
        shutil.copy(finished[0] / name, tmp_path / name)
    shutil.copytree(finished[0] / "sweeps" / "small", tmp_path / "small")
    return tmp_path / "small"


@pytest.mark.slow
def test_a_lost_part_is_said_repaired_and_trained_again(running_ray: None, copy: Path, caviar: Any) -> None:
    expected = Results.open(copy).trials().drop_columns(["elapsed_s"])
    part = sorted((copy / "results").iterdir())[-1]
    part.unlink()

    run = caviar("doctor", "small", cwd=copy.parent)
    assert run.returncode == 1
    assert f"broken   results/{part.name}: is missing, and the journal says" in run.stdout
    assert "broken   journal/000001.jsonl, line " in run.stdout
    assert "--repair does it" in run.stdout
    assert run.stdout.endswith("broken: 2 findings\n")

    repaired = caviar("doctor", "small", "--repair", "--json", cwd=copy.parent)
    assert repaired.returncode == 0, repaired.stdout
    done = json.loads(repaired.stdout)
    assert done["healthy"]
    files = [finding["file"] for finding in done["repair"]["found"]]
    assert files == [f"results/{part.name}", "journal/000001.jsonl"]
    assert any("cut 000001.jsonl before line" in sentence for sentence in done["repair"]["did"])
    assert (copy.parent / done["repair"]["damaged"] / "journal/000001.jsonl").is_file()

    resumed = caviar("resume", "small", cwd=copy.parent)
    assert resumed.returncode == 0, resumed.stderr
    assert Results.open(copy).trials().drop_columns(["elapsed_s"]).equals(expected)
    assert not examine(copy).findings


def test_what_cannot_be_repaired_stays_broken(copy: Path, caviar: Any) -> None:
    (copy / "sweep.yaml").unlink()
    (copy / "journal/000001.jsonl").write_bytes(b"")
    run = caviar("doctor", "small", "--repair", cwd=copy.parent)
    assert run.returncode == 1
    assert "broken   sweep.yaml: is missing" in run.stdout
    assert "put it back from a copy" in run.stdout


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("sweep.yaml", "--repair"), "--repair: it rebuilds the files of a sweep; give the sweep's directory."),
        (("--repair",), "--repair: it rebuilds the files of a sweep; give the sweep's directory."),
        ((".", "--set", "seed=1"), "--set: it replaces fields of a spec; give a spec's file."),
        (("sweep.yaml", "--set", "workers.gpu=-1"), "workers.gpu: "),
    ],
)
def test_an_option_of_the_other_kind_of_examination_is_bad_input(
    words: tuple[str, ...], error: str, project: Path, caviar: Any
) -> None:
    run = caviar("doctor", *words, cwd=project)
    assert run.returncode == 2
    assert run.stderr.startswith(f"error: {error}")


@pytest.mark.slow
def test_a_spec_is_examined_on_this_machine_where_no_cluster_is_named(project: Path, program: Any) -> None:
    run = program("doctor", "sweep.yaml", "--set", "workers.gpu=64", cwd=project)
    assert run.returncode == 1
    assert "broken   workers: no node has 64 GPUs, the largest has " in run.stdout
    assert run.stdout.endswith("broken: 1 finding, 1 node\n")
    assert sorted(path.name for path in project.iterdir() if path.name != "__pycache__") == ["sweep.yaml", "train.py"]


def test_examining_imports_no_training_code_no_ray_and_no_torch(copy: Path) -> None:
    program = (
        "import sys\n"
        "from caviar.scheduler.cli import main\n"
        "sys.argv = ['caviar', 'doctor', 'small', '--repair']\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "print(*sorted({'ray', 'torch', 'train'} & set(sys.modules)), file=sys.stderr)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=copy.parent, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr.strip()) == (0, "healthy\n", "")
