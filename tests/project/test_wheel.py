"""The wheel holds every module of the source folders, the files of the page, and nothing else."""

import shutil
import subprocess
import sys
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parents[2]
PACKAGES = ("scheduler", "search_spaces", "trainers")
SUFFIXES = {".css", ".html", ".js", ".json", ".py", ".pyi"}
NOT_SOURCES = shutil.ignore_patterns("__pycache__")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Built from a copy: setuptools would put what an earlier build left in build/ into the wheel.
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=NOT_SOURCES)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(built), str(source)]
    run = subprocess.run(build, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    (path,) = built.glob("*.whl")
    return path


def contents(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def metadata(wheel: Path, name: str) -> str:
    with ZipFile(wheel) as archive:
        (path,) = (path for path in archive.namelist() if path.endswith(f".dist-info/{name}"))
        return archive.read(path).decode()


def test_the_wheel_holds_every_module_and_nothing_else(wheel: Path) -> None:
    modules = {
        f"caviar/{path.relative_to(ROOT)}"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in SUFFIXES and "__pycache__" not in path.parts
    }
    typed = {f"caviar/{package}/py.typed" for package in PACKAGES}
    assert contents(wheel) == modules | typed


def test_the_wheel_takes_no_top_level_name_but_caviar(wheel: Path) -> None:
    assert {name.partition("/")[0] for name in contents(wheel)} == {"caviar"}


def test_caviar_is_a_namespace(wheel: Path) -> None:
    assert "caviar/__init__.py" not in contents(wheel)


def test_the_wheel_installs_the_command(wheel: Path) -> None:
    assert "caviar = caviar.scheduler.cli:main" in metadata(wheel, "entry_points.txt")


def test_the_wheel_has_open_lower_bounds_and_no_upper_ones(wheel: Path) -> None:
    required = Parser().parsestr(metadata(wheel, "METADATA")).get_all("Requires-Dist", [])
    bounds = [requirement.partition(";")[0] for requirement in required if not requirement.startswith("caviar[")]
    assert bounds
    assert not [bound for bound in bounds if ">=" not in bound or "<" in bound or "==" in bound]


def test_the_wheel_carries_the_licence(wheel: Path) -> None:
    assert metadata(wheel, "licenses/LICENSE") == (ROOT / "LICENSE").read_text()
