"""The statistics of quality.py over finished runs of one setting."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
from quality_runs import FinishedRun
from scipy.stats import rankdata, trim_mean

NAMES = {
    "caviar": "Caviar",
    "caviar_asha": "Caviar, asha",
    "hyperband": "Hyperband",
    "random": "random, full resource",
    "random_2x": "random, twice the resource",
    "one_epoch": "one epoch for all, then the best 3",
    "optuna_tpe": "Optuna TPE, Hyperband",
    "optuna_gp": "Optuna GP, successive halving",
    "smac": "SMAC multi-fidelity",
    "dehb": "DEHB",
    "syne_tune_asha": "Syne Tune ASHA",
    "syne_tune_bohb": "Syne Tune BOHB",
    "neps_priorband": "NePS PriorBand",
}
"""The methods as they are shown, in order."""
_RESAMPLES = 2000
Regrets = npt.NDArray[np.float64]


class Board:
    """The runs of all methods in one setting, with one number of workers.

    Args:
        runs: At least one.
    """

    def __init__(self, runs: Sequence[FinishedRun]) -> None:
        self.runs = runs
        self.trainings = runs[0].trainings
        self.tasks = sorted({run.key.task for run in runs})
        self.methods = [method for method in NAMES if all(len(one) for one in self.by_task(method))]
        """Those that have run on every task."""

    @cached_property
    def regrets(self) -> dict[tuple[str, str, int], Regrets]:
        """Regrets [budgets] by method, task and seed."""
        return {(run.key.method, run.key.task, run.key.seed): np.array(run.regrets) for run in self.runs}

    def seeds(self, method: str) -> int:
        """Seeds of a method's task with the fewest."""
        return min(len(regrets) for regrets in self.by_task(method))

    def by_task(self, method: str) -> list[Regrets]:
        """A method's regrets [seeds, budgets] on each task."""
        return [
            np.array(
                [regret for (name, one, _), regret in self.regrets.items() if (name, one) == (method, task)]
            ).reshape(-1, len(self.trainings))
            for task in self.tasks
        ]

    @cached_property
    def shared(self) -> list[tuple[str, int]]:
        """The tasks and seeds that every method has run."""
        run = [{(task, seed) for name, task, seed in self.regrets if name == method} for method in self.methods]
        return sorted(set.intersection(*run))

    @cached_property
    def ranks(self) -> dict[str, Regrets]:
        """The mean rank [budgets] of each method over the tasks and seeds that all have run; 1 is best."""
        if not self.shared:
            return {method: np.full(len(self.trainings), np.nan) for method in self.methods}
        table = [[self.regrets[method, task, seed] for method in self.methods] for task, seed in self.shared]
        ranks = rankdata(np.array(table), axis=1).mean(axis=0)
        return dict(zip(self.methods, ranks, strict=True))


def task_means(board: Board, method: str) -> Regrets:
    """A method's mean regret [tasks, budgets] over its seeds."""
    return np.array([one.mean(axis=0) for one in board.by_task(method)])


def interval(by_task: Sequence[Regrets], column: int) -> tuple[float, float, float]:
    """The interquartile mean over tasks and seeds, between the ends of its bootstrap 95% interval.

    Seeds are drawn anew inside each task (Agarwal et al., NeurIPS 2021).
    """
    rng = np.random.default_rng(0)
    samples = [one[:, column] for one in by_task]
    drawn = [one[rng.integers(len(one), size=(_RESAMPLES, len(one)))] for one in samples]
    means = trim_mean(np.concatenate(drawn, axis=1), 0.25, axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(trim_mean(np.concatenate(samples), 0.25)), float(high)
