"""What SECURITY.md promises, where it shows in the sources or in a run of Ray."""

import ast
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from caviar.scheduler.errors import WorkerError
from caviar.scheduler.execution.cluster.environment import configure_ray_environment
from caviar.scheduler.sweep import Sweep
from caviar.search_spaces import Log

ROOT = Path(__file__).parents[2]
PACKAGES = ("scheduler", "search_spaces", "trainers")
UNPICKLERS = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
MAY_IMPORT = {"trainers/pytorch/state.py": {"pickle"}}
"""For the name of an exception of `torch.load` alone."""
MESSAGES = {
    "scheduler/execution/worker/ranks/actor_settings.py",
    "scheduler/execution/pool/executor.py",
    "scheduler/doctor/cluster/probe.py",
}
"""Here cloudpickle takes training code from the driver to its workers, over Ray and never over a file."""
RUNS_TEXT = {"eval", "exec", "compile", "system", "popen", "getoutput", "getstatusoutput"}


def calls(tree: ast.AST) -> Iterator[tuple[str, str, ast.Call]]:
    """Every call, by what it is called on and its name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            owner = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            yield owner, name, node


def imported(tree: ast.AST) -> set[str]:
    """The libraries that a module imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").partition(".")[0])
    return names


def argument(call: ast.Call, name: str) -> object:
    return next((ast.literal_eval(word.value) for word in call.keywords if word.arg == name), None)


@pytest.mark.checkout
def test_nothing_is_unpickled_and_no_text_is_run() -> None:
    checked = 0
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        tree, name = ast.parse(path.read_text()), path.relative_to(ROOT).as_posix()
        assert imported(tree) & UNPICKLERS <= MAY_IMPORT.get(name, set()), name
        for owner, function, call in calls(tree):
            where = f"{name}:{call.lineno}: {ast.unparse(call)}"
            checked += 1
            if owner.rpartition(".")[2] in UNPICKLERS and function not in {"dumps", "register_pickle_by_value"}:
                assert (name in MESSAGES, function) == (True, "loads"), where
            if (owner, function) == ("torch", "load"):
                assert argument(call, "weights_only") is True, where
            if (owner, function) == ("np", "load"):
                assert argument(call, "allow_pickle") is False, where
            if (owner, function) == ("yaml", "load"):
                assert [ast.unparse(word) for word in call.keywords] == ["Loader=_Loader"], where
            assert not argument(call, "shell"), where
            assert not (function in RUNS_TEXT and owner in {"", "os", "subprocess"}), where
    assert checked > 1000, "the sources are found"


SECRET = "hunter2-correct-horse"
CODE = f'''
import os
def train(trial):
    key = os.environ["MY_API_KEY"]
    assert key == "{SECRET[:8]}" + "{SECRET[8:]}"
    for step in trial.steps():
        if trial.number == 1:
            raise RuntimeError("<script>alert(1)</script>")
        yield {{"loss": trial.config["lr"] / step, "<script>alert(2)</script>": step}}
'''


def listening() -> set[str]:
    """The addresses on which this process and those that it has started listen, or take datagrams."""
    me = psutil.Process()
    addresses: set[str] = set()
    for process in [me, *me.children(recursive=True)]:
        try:
            found = process.net_connections("inet")
        except psutil.Error:
            continue
        open_to_all = {psutil.CONN_LISTEN, psutil.CONN_NONE}
        addresses |= {one.laddr.ip for one in found if one.laddr and one.status in open_to_all}
    return addresses


@pytest.mark.slow
def test_ray_listens_on_the_loopback_and_a_secret_stays_where_it_is(
    no_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from caviar.scheduler.analysis.page.page import write_page  # noqa: PLC0415

    (tmp_path / "code.py").write_text(CODE)
    monkeypatch.setenv("MY_API_KEY", SECRET)
    before = listening()
    seen: list[set[str]] = []
    sweep = Sweep(
        f"{tmp_path}/code.py:train",
        space={"lr": Log(1e-4, 1.0)},
        metric="loss",
        resource={"max": 3},
        budget={"trials": 4},
        workers={"cpu": 1, "count": 1},
        storage=tmp_path / "sweeps",
        name="secret",
        max_failures=0,
        controller="random",
    )
    with caplog.at_level(logging.DEBUG, "caviar"):
        results = sweep.run(lambda moment: seen.append(listening()))
    assert {"failed", "completed"} <= set(results.trials()["state"].to_pylist())

    opened = set().union(*seen) - before
    assert opened, "the sockets were seen"
    assert all(address.removeprefix("::ffff:").startswith("127.") or address == "::1" for address in opened), opened
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert stat.S_IMODE(Path(os.environ["RAY_AUTH_TOKEN_PATH"]).stat().st_mode) == 0o600

    page = sweep.directory / "report.html"
    write_page(results, page)
    for path in Path(str(sweep.directory)).rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
    assert all(SECRET not in str(row) for table in (results.trials(), results.reports()) for row in table.to_pylist())
    assert SECRET not in caplog.text
    text = page.read_text()
    assert "<script>alert" not in text


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "a folder" / "that is not there" / "token"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(path))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_token_is_made_for_its_owner_alone_with_its_folder(token: Path) -> None:
    configure_ray_environment()
    assert (mode(token), mode(token.parent)) == (0o600, 0o700)
    assert len(token.read_text()) == 64


def test_a_token_that_everybody_could_read_is_kept_and_made_private_through_a_link_too(token: Path) -> None:
    token.parent.mkdir(parents=True)
    other = token.parent / "other"
    other.write_text("0" * 64)
    other.chmod(0o644)
    token.symlink_to(other)
    configure_ray_environment()
    assert mode(other) == 0o600
    assert token.is_symlink()
    assert token.read_text() == "0" * 64


@pytest.mark.parametrize("kind", ["a link to nothing", "a folder", "below a file"])
def test_a_token_that_cannot_be_made_is_one_sentence(token: Path, kind: str) -> None:
    if kind == "below a file":
        token.parent.parent.mkdir(parents=True)
        token.parent.write_text("")
    else:
        token.parent.mkdir(parents=True)
        token.symlink_to(token.parent / "nothing") if kind == "a link to nothing" else token.mkdir()
    with pytest.raises(
        WorkerError, match=r"^RAY_AUTH_TOKEN_PATH: Ray's token .* cannot be made private .*: name another file\.$"
    ):
        configure_ray_environment()
