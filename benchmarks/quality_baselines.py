"""The simplest baseline of quality.py."""

from collections.abc import Iterator

import numpy as np
from quality_meter import Job
from quality_tasks import Task

from caviar.search_spaces import Value
from caviar.search_spaces.designs import uniform

FINISHED = 3


class OneEpochThenBest:
    """Trains as many random configurations as the budget allows for one epoch, and then the best three to the end.

    Args:
        task: The task.
        seed: Of the random choices.
        budget: Steps that are spent.
    """

    def __init__(self, task: Task, seed: int, budget: int) -> None:
        self._count = budget - FINISHED * (task.steps - 1)
        self._configs, self._steps = _configs(task, self._count, seed), task.steps
        self._losses: dict[int, float] = {}
        self._jobs = self._plan()

    def ask(self) -> Job | None:
        """The next job."""
        return next(self._jobs, None)

    def tell(self, trial: int, step: int, loss: float, *, last: bool) -> bool:
        """Notes the loss of the first epoch."""
        self._losses.setdefault(trial, loss)
        return True

    def _plan(self) -> Iterator[Job | None]:
        for trial in range(self._count):
            yield Job(trial, self._configs[trial], 1)
        while len(self._losses) < self._count:
            yield None
        for trial in sorted(self._losses, key=lambda trial: (self._losses[trial], trial))[:FINISHED]:
            yield Job(trial, self._configs[trial], self._steps)


def _configs(task: Task, count: int, seed: int) -> list[dict[str, Value]]:
    """Random configurations, of the candidates if there are any."""
    if task.candidates is None:
        return task.space.decode(uniform(count, task.space.dimensions, seed, 0))
    order = np.random.default_rng(seed).permutation(len(task.candidates))
    return [task.candidates[order[k % len(order)]] for k in range(count)]
