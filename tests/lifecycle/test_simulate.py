"""Sweeps in virtual time: the same loop, decisions and results, with curves instead of training."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from caviar.scheduler import InvalidSpecError, Results, StopReason, Sweep
from caviar.search_spaces import Domain, InverseLog, Log, SearchSpace

Config = Any
SPACE: dict[str, Domain] = {"lr": Log(1e-4, 1.0), "momentum": InverseLog(0.9, 0.999)}


def train(trial: Any) -> Iterator[dict[str, float]]:
    """What a real run would call."""
    raise AssertionError("a simulation trains nothing")
    yield {}


def sweep(**fields: Any) -> Sweep:
    defaults: dict[str, Any] = {"metric": "val_loss", "resource": {"max": 27}, "budget": {"trials": 60}, "seed": 3}
    return Sweep(train, **{"space": SPACE, **defaults, **fields})


def curve(config: Config, seed: int) -> list[float]:
    return [abs(float(config["lr"]) - 0.1) + 1 / step for step in range(1, 28)]


def uneven(config: Config, seed: int) -> float:
    return 0.5 + Random(seed).random()


def table(results: Results) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = results.trials().drop_columns(["elapsed_s"]).to_pylist()
    return rows


def test_a_simulation_has_the_results_of_a_run_and_writes_nothing(tmp_path: Path) -> None:
    one = sweep(storage=tmp_path)
    results = one.simulate(curve)
    assert one.stop_reason is StopReason.FINISHED
    assert len(results.trials()) == 60
    assert len(results.reports()) == sum(results.trials()["step"].to_pylist()) == one.plan().cost
    assert set(results.best.config) == {"lr", "momentum"}
    assert results.best.value == min(results.trials()["best_value"].to_pylist())
    assert "val_loss" in results._repr_html_()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("controller", ["coarse_to_fine", "hyperband", "random", "grid"])
@pytest.mark.parametrize("workers", [3, 16, 64])
def test_the_table_is_the_same_for_any_number_of_workers_and_any_cost(controller: str, workers: int) -> None:
    alone = sweep(controller=controller).simulate(curve)
    assert table(sweep(controller=controller).simulate(curve, workers, uneven)) == table(alone)


@pytest.mark.parametrize("controller", ["hyperband", "random"])
def test_ten_thousand_workers_with_uneven_costs_make_the_table_of_one(controller: str) -> None:
    many = sweep(controller=controller, budget={"trials": 12_000}).simulate(curve, 10_000, uneven)
    alone = sweep(controller=controller, budget={"trials": 12_000}).simulate(curve)
    assert many.trials().drop_columns(["elapsed_s"]).equals(alone.trials().drop_columns(["elapsed_s"]))


def test_every_step_of_the_table_is_reported_once_at_its_time_however_many_workers_there_are() -> None:
    results = sweep(controller="hyperband").simulate(curve, 16, uneven)
    reports, trials = results.reports().to_pandas(), results.trials().to_pandas()
    assert reports.groupby("trial")["step"].apply(list).tolist() == [list(range(1, n + 1)) for n in trials["step"]]
    assert reports.groupby("trial")["elapsed_s"].max().tolist() == pytest.approx(trials["elapsed_s"].tolist())
    for _, trial in reports.groupby("trial"):
        assert trial["time"].is_monotonic_increasing


def test_a_curve_may_fill_the_same_array_again_and_again() -> None:
    shared = np.empty(27)

    def refilled(config: Config, seed: int) -> Any:
        shared[:] = curve(config, seed)
        return shared

    assert sweep().simulate(refilled, 7).reports().equals(sweep().simulate(curve, 7).reports())


def test_the_settings_of_pythons_garbage_collection_are_as_before_whatever_happens() -> None:
    before, during = gc.get_threshold(), list[tuple[int, int, int]]()

    def watching(config: Config, seed: int) -> list[float]:
        during.append(gc.get_threshold())
        raise KeyError("lr")

    with pytest.raises(KeyError):
        sweep().simulate(watching)
    assert during[0] > before
    assert gc.get_threshold() == before


def test_another_seed_is_another_sweep() -> None:
    assert table(sweep().simulate(curve)) != table(sweep(seed=4).simulate(curve))


def test_the_mode_says_which_values_are_better() -> None:
    lowest = sweep(mode="min", metric="x").simulate(lambda config, seed: [float(str(config["lr"]))] * 27).best.value
    highest = sweep(mode="max", metric="x").simulate(lambda config, seed: [float(str(config["lr"]))] * 27).best.value
    assert lowest < 0.001
    assert highest > 0.3


def test_constraints_hold_for_every_configuration_whether_they_are_the_spaces_or_the_sweeps() -> None:
    space = SearchSpace(SPACE, ["lr <= 0.1"])
    results = sweep(space=space, constraints=["momentum >= 0.95"]).simulate(curve)
    assert max(results.trials()["config_lr"].to_pylist()) <= 0.1
    assert min(results.trials()["config_momentum"].to_pylist()) >= 0.95


def test_a_budget_of_hours_is_one_of_virtual_time() -> None:
    one = sweep(budget={"hours": 1.0}, resource={"max": 9}, controller="hyperband")
    results = one.simulate(curve, workers=2, step_seconds=lambda config, seed: 60.0)
    assert one.stop_reason is StopReason.OUT_OF_TIME
    assert 100 <= sum(results.trials()["step"].to_pylist()) <= 120


def test_a_curve_that_is_too_short_is_a_trial_that_ended_by_itself() -> None:
    results = sweep(resource={"max": 9}).simulate(lambda config, seed: [0.5, 0.4])
    assert set(results.trials()["step"].to_pylist()) == {1, 2}
    assert set(results.trials()["state"].to_pylist()) == {"stopped", "completed"}


def test_a_curve_of_nan_is_a_diverged_trial() -> None:
    results = sweep().simulate(lambda config, seed: [float("nan")] * 27)
    assert set(results.trials()["state"].to_pylist()) == {"diverged"}


@pytest.mark.slow
def test_a_thousand_trials_take_no_longer_than_a_test_may() -> None:
    results = sweep(budget={"trials": 1_000}).simulate(curve, workers=500)
    assert len(results.trials()) == 1_000


def test_a_class_is_a_sweep_too(make_class: Callable[[], type]) -> None:
    by_class = Sweep(make_class(), space=SPACE, metric="loss", resource={"max": 3}, budget={"trials": 3})
    assert len(by_class.simulate(curve).trials()) == 3


@pytest.fixture
def make_class() -> Callable[[], type]:
    class Trainer:
        def __init__(self, trial: Any) -> None:
            self.trial = trial

        def step(self) -> dict[str, float]:
            return {"loss": 1.0}

        def state_dict(self) -> dict[str, Any]:
            return {}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            pass

    return lambda: Trainer


@pytest.mark.parametrize("values", [1.0, None, ["low"], [[0.5]]])
def test_a_curve_that_is_no_sequence_of_numbers_is_refused(values: Any) -> None:
    with pytest.raises(InvalidSpecError, match=r"^curve: must return a sequence of numbers, one a step, got "):
        sweep().simulate(lambda config, seed: values)


def test_a_simulation_without_workers_or_with_negative_costs_is_refused() -> None:
    with pytest.raises(InvalidSpecError, match=r"^workers: must be at least 1, got 0\.$"):
        sweep().simulate(curve, workers=0)
    with pytest.raises(InvalidSpecError, match=r"^step_seconds: must be a finite number of at least 0, got -1\.0\.$"):
        sweep().simulate(curve, step_seconds=lambda config, seed: -1.0)


def test_a_sweep_is_shown_by_its_name_metric_and_directory() -> None:
    shown = "Sweep(name='digits', metric='val_loss', mode='min', directory='sweeps/digits')"
    assert repr(sweep(name="digits")) == shown
