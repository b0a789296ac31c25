"""Our names and a person's: `scheduler.py`, `trainers/` and `search_spaces.py` beside the script stay theirs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json

import scheduler
import search_spaces
import trainers.resnet

import caviar.scheduler
import caviar.search_spaces
import caviar.trainers

print(json.dumps({
    "own": [scheduler.OWNER, search_spaces.OWNER, trainers.resnet.OWNER],
    "files": [scheduler.__file__, search_spaces.__file__, trainers.__file__],
    "caviar": [caviar.scheduler.__file__, caviar.search_spaces.__file__, caviar.trainers.__file__],
    "names": [caviar.scheduler.__name__, caviar.search_spaces.__name__, caviar.trainers.__name__],
}))
"""


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    """A training repository whose modules have the names of Caviar's source folders."""
    (tmp_path / "trainers").mkdir()
    (tmp_path / "trainers" / "__init__.py").write_text("")
    for name in ("scheduler.py", "search_spaces.py", "trainers/resnet.py"):
        (tmp_path / name).write_text('OWNER = "the person"\n')
    (tmp_path / "main.py").write_text(SCRIPT)
    return tmp_path


@pytest.mark.parametrize("arguments", [["main.py"], ["-c", SCRIPT]], ids=["script", "command"])
def test_a_script_imports_its_own_modules_and_caviar_side_by_side(own_folder: Path, arguments: list[str]) -> None:
    run = subprocess.run([sys.executable, *arguments], cwd=own_folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    seen = json.loads(run.stdout)
    assert seen["own"] == ["the person"] * 3
    assert all(Path(file).resolve().is_relative_to(own_folder.resolve()) for file in seen["files"])
    assert not any(Path(file).resolve().is_relative_to(own_folder.resolve()) for file in seen["caviar"])
    assert seen["names"] == ["caviar.scheduler", "caviar.search_spaces", "caviar.trainers"]


IMPORT_ALL = """
import importlib
import pkgutil

import caviar.scheduler
import caviar.search_spaces
import caviar.trainers

names = []
for package in (caviar.scheduler, caviar.search_spaces, caviar.trainers):
    names += [module.name for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names))
"""


def test_every_module_can_be_imported_from_where_it_is_installed(tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", IMPORT_ALL], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 100
