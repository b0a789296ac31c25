"""`make` installs what a target needs and no more, in the versions of constraints.txt, with uv and with pip.

The interpreter, its pip and uv are stand-ins that write down what they are called with, so that nothing is downloaded.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parents[2]
FILES = ("Makefile", "constraints.txt", "pyproject.toml")
PYTHON = """#!/bin/sh
case "$*" in
  "-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  *"config list") {settings} ;;
  *) echo "$*" >> calls; case "$*" in *" uv") {get_uv} ;; esac ;;
esac
"""
UV = """#!/bin/sh
if [ "$1" != --version ]; then echo "uv $*" >> calls; fi
"""


class Machine:
    """A machine with a checkout of the files that `make` reads.

    Args:
        folder: Where all of it goes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.programs = folder, folder / "programs"
        self.programs.mkdir()
        (folder / ".ci").mkdir()
        shutil.copy(ROOT / ".ci/install", folder / ".ci/install")
        for name in FILES:
            shutil.copy(ROOT / name, folder)

    def has(self, program: str, text: str) -> None:
        """Puts a program on PATH."""
        (self.programs / program).write_text(text, encoding="utf-8")
        (self.programs / program).chmod(0o755)

    def has_python(self, settings: str = ":", get_uv: str = "exit 1") -> None:
        """Puts an interpreter on PATH.

        Args:
            settings: The shell command that its `pip config list` stands for.
            get_uv: The shell command that an installation of uv stands for.
        """
        self.has("python3", PYTHON.format(settings=settings, get_uv=get_uv))

    def make(self, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
        """Runs make, and returns what it printed."""
        path = f"{self.programs}{os.pathsep}/usr/bin{os.pathsep}/bin"
        made = subprocess.run(
            ["make", *arguments],
            cwd=self.folder,
            env={"PATH": path, **(variables or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        return made.stdout

    def installs(self) -> list[list[str]]:
        """The arguments of every installation, in order."""
        calls = (self.folder / "calls").read_text(encoding="utf-8").splitlines()
        return [call.split() for call in calls if " install " in call]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.has_python()
    return machine


def follows(arguments: list[str], name: str) -> list[str]:
    """The values that an option has."""
    return [value for option, value in pairwise(arguments) if option == name]


def test_the_demo_installs_no_development_tools(machine: Machine) -> None:
    assert follows(machine.make("-n", "demo").replace("'", "").split(), "--editable") == [".[report]"]


@pytest.mark.parametrize("target", ["test", "check", "dev", "wheel"])
def test_the_development_tools_are_one_installation(machine: Machine, target: str) -> None:
    assert follows(machine.make("-n", target).replace("'", "").split(), "--editable") == [".[dev]"]


def test_the_demo_installs_nothing_where_the_development_tools_are(machine: Machine) -> None:
    machine.make(".venv/installed-dev")
    assert "install" not in machine.make("-n", "demo")


def test_the_development_tools_go_into_the_environment_of_the_demo(machine: Machine) -> None:
    machine.has("uv", UV)
    machine.make(".venv/installed-demo")
    machine.make(".venv/installed-dev")
    demo, dev = machine.installs()
    assert demo[-1] == ".[report]"
    assert dev[-1] == ".[dev]"
    assert follows(demo, "--python") == follows(dev, "--python") == [".venv/bin/python"]


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_the_constraints_hold_for_both_installers(machine: Machine, installer: str) -> None:
    machine.has("uv", UV)
    machine.make(".venv/installed-dev", f"INSTALLER={installer}")
    (arguments,) = machine.installs()
    assert (arguments[0] == "uv") == (installer == "uv")
    (constraints,) = follows(arguments, "--constraint")
    assert (machine.folder / constraints).samefile(machine.folder / "constraints.txt")


def test_uv_is_had_in_its_pinned_version_where_there_is_none(machine: Machine) -> None:
    machine.has("uv-to-be-had", UV)
    machine.has_python(get_uv=f"cp {machine.programs}/uv-to-be-had .venv/bin/uv")
    machine.make(".venv/installed-demo")
    get_uv, install = machine.installs()
    assert get_uv[-1] == "uv"
    assert follows(get_uv, "--constraint")
    assert install[0] == "uv"
    assert "\nuv==" in (ROOT / "constraints.txt").read_text()


def test_pip_installs_where_uv_cannot_be_had(machine: Machine) -> None:
    machine.make(".venv/installed-demo")
    _, install = machine.installs()
    assert follows(install, "-m") == ["pip"]
    assert install[-1] == ".[report]"


def test_pip_installs_where_uv_fails(machine: Machine) -> None:
    machine.has("uv", UV + "test $1 = --version\n")
    machine.make(".venv/installed-demo")
    with_uv, with_pip = machine.installs()
    assert with_uv[0] == "uv"
    assert follows(with_pip, "-m") == ["pip"]
    assert with_uv[-1] == with_pip[-1] == ".[report]"


def test_uv_looks_where_pip_is_told_to_look(machine: Machine) -> None:
    machine.has("uv", UV)
    settings = (
        r":env:.index-url='https://a'",
        r"global.extra-index-url='https://b\nhttps://c'",
        r"global.find-links='/wheels'",
        r"global.index-url='https://d'",
    )
    machine.has("settings", "#!/bin/sh\ncat <<'END'\n" + "\n".join(settings) + "\nEND\n")
    machine.has_python(settings="settings")
    machine.make(".venv/installed-demo")
    (arguments,) = machine.installs()
    assert follows(arguments, "--default-index") == ["https://a"]
    assert set(follows(arguments, "--extra-index-url")) == {"https://b", "https://c"}
    assert follows(arguments, "--find-links") == ["/wheels"]


def test_an_interpreter_without_pip_lets_the_environment_have_its_own(machine: Machine) -> None:
    machine.has("uv", UV)
    machine.has_python(settings='test "$3" = config')  # that of the environment, not of another for it by --python
    machine.make(".venv/installed-demo")
    assert "-m ensurepip" in (machine.folder / "calls").read_text()
    (install,) = machine.installs()
    assert install[0] == "uv"


@pytest.mark.parametrize(("forbidden", "compiled"), [("", False), ("1", True)])
def test_uv_compiles_where_imports_must_not_write(machine: Machine, forbidden: str, compiled: bool) -> None:
    machine.has("uv", UV)
    machine.make(".venv/installed-dev", variables={"PYTHONDONTWRITEBYTECODE": forbidden})
    (arguments,) = machine.installs()
    assert ("--compile-bytecode" in arguments) == compiled


def test_clean_removes_the_stamps(machine: Machine) -> None:
    machine.make(".venv/installed-dev")
    for package in ("scheduler", "search_spaces", "trainers", "tests", "benchmarks", "examples"):
        (machine.folder / package).mkdir()
    machine.make("clean")
    assert not (machine.folder / ".venv").exists()
