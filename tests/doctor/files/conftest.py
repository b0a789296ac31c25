"""Sweeps whose directories are real and whose workers are simulated, and what they end with."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caviar.scheduler import Results, Sweep
from caviar.scheduler.execution.simulated import SimulatedExecutor
from caviar.scheduler.execution.snapshot import RunSnapshot
from caviar.scheduler.lifecycle import run as running
from caviar.scheduler.lifecycle.prepared import PreparedSweep
from caviar.scheduler.storage import Checkpoints, SweepDirectory
from caviar.search_spaces import Choice, Log, Uniform

Make = Callable[[str], Path]
"""Makes a copy of a sweep by its name."""


def train(trial: Any) -> Iterator[dict[str, float]]:
    """What a real run would call."""
    raise AssertionError("a simulation trains nothing")
    yield {}


def curve(config: Mapping[str, Any], seed: int) -> list[float]:
    loss = (np.log10(config["lr"]) + 2) ** 2 + config.get("momentum", 0.2)
    curve = [loss + 1 / step for step in range(1, 28)]
    return [*curve[:2], float("nan")] if config["lr"] > 0.5 else curve


@pytest.fixture(scope="module", autouse=True)
def simulated_workers() -> Iterator[None]:
    """Sweeps run in their directories as ever, but on two simulated workers."""

    @contextmanager
    def workers(sweep: PreparedSweep, *_: Any) -> Iterator[Callable[[], SimulatedExecutor]]:
        yield cache(lambda: SimulatedExecutor(curve, sweep.spec.metric, 2, proposer=sweep.proposer()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "workers_on_demand", workers)
        yield


def stop_half_way(snapshot: RunSnapshot) -> None:
    if snapshot.state.spent >= 25:
        moment_directory[0].stop.touch()


moment_directory: list[SweepDirectory] = []


def new_sweep(storage: Path, name: str, **fields: Any) -> Sweep:
    space = {
        "lr": Log(1e-5, 1.0),
        "optimizer": Choice(["adam", "sgd"]),
        "momentum": Uniform(0.0, 1.0, when={"optimizer": ["sgd"]}),
    }
    common = {"space": space, "metric": "loss", "resource": {"max": 9}, "controller": "hyperband", "seed": 7}
    return Sweep(train, storage=storage, name=name, **{**common, "budget": {"trials": 22}, **fields})


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep, the same sweep stopped half way, and one that learns from a third; nobody changes them."""
    storage = tmp_path_factory.mktemp("sweeps")
    new_sweep(storage, "finished").run()
    moment_directory[:] = [SweepDirectory(storage / "stopped")]
    new_sweep(storage, "stopped").run(stop_half_way)
    checkpoints = Checkpoints(storage / "stopped/checkpoints", storage / "stopped/staging")
    for trial in Results.open(storage / "stopped").trials().to_pylist():
        for step in range(1, trial["step"] + 1):
            checkpoints.write(trial["trial"], step, save, {"metrics": {}, "ended": False})
    learning = {"controller": "coarse_to_fine", "budget": {"trials": 24}}
    new_sweep(storage, "learning", warm_start=str(storage / "finished"), **learning).run()
    return storage


def save(folder: Path) -> bool:
    (folder / "weights").write_bytes(bytes(range(100)))
    return True


@pytest.fixture
def copy_of(originals: Path, tmp_path: Path) -> Make:
    def copy(name: str) -> Path:
        shutil.copytree(originals / name, tmp_path / name)
        return tmp_path / name

    return copy


def tables(path: Path) -> tuple[Any, Any, Any]:
    """What a sweep has found out, without the time that it took."""
    results = Results.open(path)
    reports = results.reports().drop_columns(["time", "elapsed_s"])
    return results.trials().drop_columns(["elapsed_s"]), reports, results.regions()


@pytest.fixture(scope="module")
def expected(originals: Path) -> Mapping[str, tuple[Any, Any, Any]]:
    """What each sweep ends with that nobody damages."""
    ends = {name: tables(originals / name) for name in ("finished", "learning")}
    return {**ends, "stopped": ends["finished"]}


@pytest.fixture
def resumed_tables() -> Callable[[Path], tuple[Any, Any, Any]]:
    """Resumes a sweep and says what it ends with."""

    def resume(path: Path) -> tuple[Any, Any, Any]:
        Sweep.resume(path, trainer=train).run()
        return tables(path)

    return resume
