"""The wheel that is made of the Caviar that runs, for a cluster to unpack."""

import base64
import csv
import hashlib
import io
import subprocess
import sys
import zipfile
from email.parser import Parser
from importlib.metadata import metadata
from pathlib import Path

import pytest

from caviar.scheduler.remote.wheel import build_wheel, wheel_files, wheel_name
from caviar.scheduler.remote.working_directory import package_of


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wheel") / wheel_name()
    path.write_bytes(build_wheel())
    return path


def test_the_same_code_makes_the_same_bytes_and_the_same_package(wheel: Path) -> None:
    assert build_wheel() == wheel.read_bytes()
    files = wheel_files()
    assert package_of(files) == package_of(dict(reversed(files.items())))
    changed = {**files, "caviar/scheduler/lifecycle/run.py": files["caviar/scheduler/lifecycle/run.py"] + b"\n"}
    assert package_of(changed).name != package_of(files).name


def test_it_has_the_modules_the_stubs_and_the_dependencies(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        notes = f"caviar-{metadata('caviar')['Version']}.dist-info"
        written = Parser().parsestr(archive.read(f"{notes}/METADATA").decode())
        scripts = archive.read(f"{notes}/entry_points.txt").decode()
    assert {"caviar/scheduler/cli/on_cluster.py", "caviar/trainers/py.typed", "caviar/search_spaces/space.py"} <= names
    assert {"caviar/trainers/pytorch/__init__.pyi", "caviar/scheduler/analysis/page/page.js"} <= names
    assert not [name for name in names if "__pycache__" in name]
    assert written.get_all("Requires-Dist") == metadata("caviar").get_all("Requires-Dist")
    assert "caviar = caviar.scheduler.cli:main" in scripts


def test_its_record_has_the_digest_of_every_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (record,) = (name for name in archive.namelist() if name.endswith("/RECORD"))
        rows = {name: (digest, size) for name, digest, size in csv.reader(io.StringIO(archive.read(record).decode()))}
        assert rows.pop(record) == ("", "")
        assert rows.keys() == {*archive.namelist()} - {record}
        for name, (digest, size) in rows.items():
            content = archive.read(name)
            expected = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={expected}", str(len(content)))


@pytest.mark.slow
def test_pip_installs_it_and_what_is_installed_runs(wheel: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    run = subprocess.run(
        [*pip, "--target", str(tmp_path), str(wheel)], capture_output=True, text=True, check=False, env={}
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "bin" / "caviar").is_file()
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "import caviar.trainers, caviar.scheduler.cli.on_cluster as here;"
        "from importlib.metadata import version; print(here.__file__, caviar.trainers.__file__, version('caviar'))"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env={})
    here, trainers, version = run.stdout.split()
    assert here.startswith(str(tmp_path))
    assert trainers.startswith(str(tmp_path))
    assert version == metadata("caviar")["Version"]
