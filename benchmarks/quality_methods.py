"""The methods of quality.py by name, and how one run of each is made."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from quality_baselines import OneEpochThenBest
from quality_caviar import controller_method, simulated_trajectory
from quality_meter import Cluster, Run, Trajectory, best_at
from quality_peer_process import PeerMethod
from quality_real import real_tasks
from quality_tables import table_tasks
from quality_tasks import Task
from quality_yahpo import yahpo_tasks

FULL_TRAININGS = {"yahpo": (5, 10, 20, 40), "tables": (5, 10, 20, 40), "chosen": (5, 10, 20, 40), "real": (5, 10, 20)}
"""After how many full trainings the regret is read, by setting."""
CONTROLLERS = {"caviar": "coarse_to_fine", "caviar_asha": "asha", "hyperband": "hyperband", "random": "random"}
"""Caviar's controllers that are measured."""
PEERS = ("optuna_tpe", "optuna_gp", "smac", "dehb", "syne_tune_asha", "syne_tune_bohb", "neps_priorband")
METHODS = (*CONTROLLERS, "one_epoch", *PEERS)
CHOOSE_ROWS = ("caviar", "hyperband", "random", "one_epoch", "smac", "syne_tune_asha")
"""The methods that can be told which configurations there are."""
_CAVIAR = {"caviar": version("caviar")}


@dataclass(frozen=True, slots=True)
class RunKey:
    """What a run is known by."""

    method: str
    setting: str
    task: str
    seed: int
    workers: int


@dataclass(frozen=True, slots=True)
class Places:
    """Where things lie.

    Attributes:
        data: The tasks' data.
        runs: The finished runs, and the data of real tasks.
        peers: The interpreter of the peers' environment.
        dehb: The interpreter of DEHB's.
    """

    data: Path
    runs: Path
    peers: Path
    dehb: Path


@cache
def tasks(setting: str, places: Places) -> Sequence[Task]:
    """The tasks of a setting."""
    if setting == "yahpo":
        return yahpo_tasks(places.data)
    if setting == "real":
        return real_tasks(places.runs)
    return table_tasks(places.data, chosen=setting == "chosen")


@dataclass(frozen=True, slots=True)
class Made:
    """What came out of a run.

    Attributes:
        trajectory: (time, best loss so far).
        versions: Of the method's packages.
        finals: The final losses of full trainings, where they are needed: of random search on real tasks.
    """

    trajectory: Trajectory
    versions: dict[str, str]
    finals: list[float] | None = None


def measure(key: RunKey, places: Places) -> dict[str, Any]:
    """Makes one run: the line that is written for it."""
    began = time.perf_counter()
    task = next(task for task in tasks(key.setting, places) if task.name == key.task)
    made = _made(key, task, places)
    trainings = FULL_TRAININGS[key.setting]
    values = [best_at(made.trajectory, full * task.steps / key.workers) for full in trainings]
    reference = task.reference
    return {
        **asdict(key),
        "steps": task.steps,
        "trainings": trainings,
        "values": values,
        "regrets": None if reference is None else [reference.regret(value) for value in values],
        "reference": None if reference is None else asdict(reference),
        **asdict(made),
        "seconds": round(time.perf_counter() - began, 2),
    }


def _made(key: RunKey, task: Task, places: Places) -> Made:
    most = max(FULL_TRAININGS[key.setting])
    # Random search runs twice as long: read at twice the resource it is one more baseline.
    cluster = Cluster(key.workers, task.steps * most * (2 if key.method == "random" else 1))
    if key.method in PEERS:
        return _peer(key, task, places, cluster)
    if key.method == "one_epoch":
        return Made(_one_epoch_trajectory(key, task), _CAVIAR)
    name = CONTROLLERS[key.method]
    if key.setting in {"real", "chosen"}:
        return _controller(key, task, name, cluster)
    return Made(simulated_trajectory(task, name, key.seed, cluster), _CAVIAR)


def _controller(key: RunKey, task: Task, name: str, cluster: Cluster) -> Made:
    run = Run(controller_method(task, name, key.seed, cluster), task.opener(key.seed), cluster)
    trajectory = run.trajectory()
    finals = [loss for (_, step), loss in run.ends.items() if step == task.steps]
    return Made(trajectory, _CAVIAR, finals if task.reference is None and name == "random" else None)


def _peer(key: RunKey, task: Task, places: Places, cluster: Cluster) -> Made:
    python = places.dehb if key.method == "dehb" else places.peers
    peer = PeerMethod(python, key.method, task, key.seed, cluster)
    try:
        return Made(Run(peer, task.opener(key.seed), cluster).trajectory(), peer.versions)
    finally:
        peer.close()


def _one_epoch_trajectory(key: RunKey, task: Task) -> Trajectory:
    """A run for each budget, which this baseline has to know: what it has found at the end, at that time."""
    trajectory: Trajectory = []
    for full in FULL_TRAININGS[key.setting]:
        cluster = Cluster(key.workers, task.steps * full)
        method = OneEpochThenBest(task, key.seed, task.steps * full)
        found = Run(method, task.opener(key.seed), cluster).trajectory()
        trajectory.append((cluster.time(cluster.limit), found[-1][1] if found else float("inf")))
    return trajectory
