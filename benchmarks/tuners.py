"""The tuners that sweeps.py compares, each with the same space on the same task.

The tuners do not decide alike. Caviar halves brackets; ASHA (Li et al., MLSys 2020) promotes without waiting for a
rung to fill; Optuna has Hyperband's pruner behind its TPE sampler. The epochs that they train differ with it.
"""

import csv
import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from plain_training import PlainTraining
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.basic_variant import BasicVariantGenerator

from caviar.scheduler import Sweep
from caviar.search_spaces import Integer, InverseLog, Log, Uniform

WORKERS, MOST_EPOCHS, FACTOR = 2, 27, 3

CAVIAR_SPACE: Mapping[str, Log | InverseLog | Integer | Uniform] = {
    "lr": Log(1e-4, 1.0),
    "momentum": InverseLog(0.9, 0.999),
    "hidden": Integer(32, 128, log=True),
    "dropout": Uniform(0.0, 0.5),
    "weight_decay": Log(1e-6, 1e-2),
    "decay": Uniform(0.0, 0.2),
}
TUNE_SPACE = {
    "lr": tune.loguniform(1e-4, 1.0),
    "one_minus_momentum": tune.loguniform(1e-3, 0.1),
    "hidden": tune.lograndint(32, 129),
    "dropout": tune.uniform(0.0, 0.5),
    "weight_decay": tune.loguniform(1e-6, 1e-2),
    "decay": tune.uniform(0.0, 0.2),
}


def optuna_point(trial: optuna.Trial) -> dict[str, Any]:
    """The same space for Optuna, which asks for one hyperparameter after the other."""
    return {
        "lr": trial.suggest_float("lr", 1e-4, 1.0, log=True),
        "one_minus_momentum": trial.suggest_float("one_minus_momentum", 1e-3, 0.1, log=True),
        "hidden": trial.suggest_int("hidden", 32, 128, log=True),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        "weight_decay": trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True),
        "decay": trial.suggest_float("decay", 0.0, 0.2),
    }


@dataclass(frozen=True, slots=True)
class Task:
    """One run of one tuner.

    Attributes:
        trials: How many it may start.
        seed: Of its random choices.
        folder: Empty, for what it writes.
    """

    trials: int
    seed: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Report:
    """An epoch of a trial; `time` is in seconds since 1970."""

    trial: str
    time: float
    val_loss: float
    val_acc: float


Tuner = Callable[[Task], list[Report]]


def caviar(fuse: str, task: Task) -> list[Report]:
    """Caviar, with trials of one group trained as one model ("auto") or one by one ("off")."""
    sweep = Sweep(
        "caviar.trainers.pytorch.digits:train",
        space=CAVIAR_SPACE,
        metric="val_loss",
        resource={"max": MOST_EPOCHS, "eta": FACTOR},
        budget={"trials": task.trials},
        workers={"cpu": 1, "count": WORKERS},
        fuse=fuse,
        seed=task.seed,
        storage=task.folder,
        name="sweep",
    )
    rows = sweep.run().sql("select trial, epoch(time) as time, val_loss, val_acc from reports").to_pylist()
    return [Report(str(row.pop("trial")), **row) for row in rows]


def tune_function(task: Task) -> list[Report]:
    """Ray Tune with its function API: a new actor for each trial."""

    def train(config: Mapping[str, Any]) -> None:
        training = PlainTraining(config, task.folder)
        for _ in range(MOST_EPOCHS):
            tune.report(training.epoch())

    return _fit(train, task, reuse_actors=False)


class _Trainable(tune.Trainable):
    """The same as a class, whose actors can take one trial after the other."""

    def setup(self, config: dict[str, Any], folder: Path | None = None) -> None:
        assert folder is not None
        self._folder = folder
        self._training = PlainTraining(config, folder)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._training = PlainTraining(new_config, self._folder)
        return True

    def step(self) -> dict[str, float]:
        return self._training.epoch()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        pass

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        pass


def tune_class(task: Task) -> list[Report]:
    """Ray Tune with a class and `reuse_actors`: its fastest way."""
    return _fit(tune.with_parameters(_Trainable, folder=task.folder), task, reuse_actors=True)


def _fit(trainable: Callable[..., Any] | type, task: Task, *, reuse_actors: bool) -> list[Report]:
    asha = ASHAScheduler(max_t=MOST_EPOCHS, grace_period=1, reduction_factor=FACTOR)
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space=TUNE_SPACE,
        tune_config=tune.TuneConfig(
            metric="val_loss",
            mode="min",
            num_samples=task.trials,
            max_concurrent_trials=WORKERS,
            reuse_actors=reuse_actors,
            scheduler=asha,
            search_alg=BasicVariantGenerator(random_state=task.seed),
        ),
        run_config=tune.RunConfig(storage_path=str(task.folder), name="tune", verbose=0),
    )
    grid = tuner.fit()
    assert not grid.errors
    return list(_recorded(task.folder))


def optuna_processes(task: Task) -> list[Report]:
    """Optuna with TPE and Hyperband's pruner in two processes that share a journal."""
    processes = multiprocessing.get_context("spawn")
    shares = [task.trials // WORKERS + (worker < task.trials % WORKERS) for worker in range(WORKERS)]
    _study(task, task.seed)
    workers = [
        processes.Process(target=_optimize, args=(task, WORKERS * task.seed + worker, share))
        for worker, share in enumerate(shares)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    return list(_recorded(task.folder))


def _study(task: Task, seed: int) -> optuna.Study:
    journal = JournalFileBackend(str(task.folder / "journal.log"))
    return optuna.create_study(
        storage=JournalStorage(journal),
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=MOST_EPOCHS, reduction_factor=FACTOR),
        study_name="sweep",
        load_if_exists=True,
    )


def _optimize(task: Task, seed: int, trials: int) -> None:
    """What one of Optuna's processes runs."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    _study(task, seed).optimize(partial(_objective, folder=task.folder), n_trials=trials)


def _objective(trial: optuna.Trial, folder: Path) -> float:
    training, loss = PlainTraining(optuna_point(trial), folder), float("nan")
    for epoch in range(1, MOST_EPOCHS + 1):
        loss = training.epoch()["val_loss"]
        trial.report(loss, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return loss


def _recorded(folder: Path) -> Iterator[Report]:
    """The epochs that `PlainTraining` noted."""
    for path in folder.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            for trial, *numbers in csv.reader(file):
                yield Report(trial, *map(float, numbers))


TUNERS: Mapping[str, tuple[bool, Tuner]] = {
    "Caviar, fused": (True, partial(caviar, "auto")),
    "Caviar, not fused": (True, partial(caviar, "off")),
    "Ray Tune, ASHA, function": (True, tune_function),
    "Ray Tune, ASHA, class, reuse_actors": (True, tune_class),
    "Optuna, TPE and Hyperband": (False, optuna_processes),
}
"""By name: whether a tuner needs Ray, and what runs it."""
