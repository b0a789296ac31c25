"""What trials came to at their rungs: the best that they had reported up to there."""

from collections.abc import Callable, Iterator, Mapping
from math import isnan

import numpy as np
import pyarrow as pa
import pytest

from caviar.scheduler import Sweep
from caviar.scheduler.results.rungs import best_so_far, trial_results
from caviar.search_spaces import Uniform, Value
from caviar.trainers import Trial


def test_the_best_so_far_starts_anew_with_each_trial_and_passes_over_what_is_missing() -> None:
    reports = pa.table({"trial": [0, 0, 0, 2, 2, 2], "loss": [3.0, 1.0, 2.0, None, 5.0, 4.0]})
    assert best_so_far(reports, "loss", "min").tolist()[:3] == [3.0, 1.0, 1.0]
    lowest, highest = (best_so_far(reports, "loss", mode) for mode in ("min", "max"))
    assert isnan(lowest[3])
    assert (lowest[4:].tolist(), highest.tolist()[:3], highest[4:].tolist()) == ([5.0, 4.0], [3.0] * 3, [5.0, 5.0])


def never_trained(trial: Trial) -> Iterator[dict[str, float]]:
    """Stands for the training code of a sweep that is simulated."""
    yield {"loss": 0.0}


@pytest.mark.parametrize(("mode", "best"), [("min", min), ("max", max)])
def test_results_are_the_best_values_up_to_the_rungs(mode: str, best: Callable[[list[float]], float]) -> None:
    def curve(config: Mapping[str, Value], seed: int) -> list[float]:
        return list(map(float, np.random.default_rng(seed).normal(size=9)))

    sweep = Sweep(
        never_trained,
        space={"x": Uniform(0.0, 1.0)},
        metric="loss",
        mode=mode,
        resource={"max": 9},
        budget={"trials": 14},
        name="jagged",
    )
    results = sweep.simulate(curve)
    table = results.reports().select(["trial", "step", "loss"]).to_pylist()
    found = trial_results(results)
    assert len(found) == 14
    for trial in found:
        for step, value in trial.values.items():
            losses = [row["loss"] for row in table if row["trial"] == trial.trial and row["step"] <= step]
            assert len(losses) == step
            assert value == best(losses)
