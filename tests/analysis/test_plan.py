"""From a budget to brackets and to the time that they will take."""

from collections.abc import Iterator
from typing import Any

import pytest

from caviar.scheduler import BracketPlan, InvalidSpecError, Sweep
from caviar.search_spaces import Choice, Uniform


def train(trial: Any) -> Iterator[dict[str, float]]:
    """Nothing is trained by a plan."""
    yield {}


def sweep(**fields: Any) -> Sweep:
    defaults: dict[str, Any] = {"metric": "val_loss", "resource": {"max": 9}, "budget": {"trials": 9}}
    return Sweep(train, **{"space": {"x": Uniform(0.0, 1.0)}, "controller": "hyperband", **defaults, **fields})


def test_a_plan_has_the_brackets_that_the_sweep_will_run() -> None:
    plan = sweep(budget={"trials": 17}).plan()
    assert plan.brackets == (
        BracketPlan(levels=(1, 3, 9), sizes=(9, 3, 1)),
        BracketPlan(levels=(3, 9), sizes=(5, 1)),
        BracketPlan(levels=(9,), sizes=(3,)),
    )
    assert (plan.trials, plan.cost, plan.seconds) == (17, 9 + 6 + 6 + 15 + 6 + 27, None)


@pytest.mark.parametrize(("workers", "seconds"), [(1, 21.0), (3, 11.0), (9, 9.0), (100, 9.0)])
def test_the_expected_time_is_that_of_the_sweep_with_its_waits(workers: int, seconds: float) -> None:
    plan = sweep().plan(step_seconds=2.0, workers=workers)
    assert plan.seconds == pytest.approx(2.0 * seconds)


def test_the_workers_are_the_specs_unless_others_are_given() -> None:
    planned = sweep(workers={"count": 3})
    assert planned.plan(1.0).seconds == pytest.approx(11.0)
    assert planned.plan(1.0, workers=1).seconds == pytest.approx(21.0)


def test_hours_become_resource_when_the_cost_of_a_step_is_known() -> None:
    plan = sweep(budget={"hours": 1.0}).plan(step_seconds=60.0, workers=2)
    assert 120 - 9 < plan.cost <= 120
    assert plan.seconds is not None
    assert plan.seconds <= 3_600 * 1.2


def test_the_tighter_of_hours_and_resource_counts() -> None:
    assert sweep(budget={"hours": 100.0, "resource": 50}).plan(step_seconds=60.0).cost <= 50
    assert sweep(budget={"hours": 0.5, "resource": 10_000}).plan(step_seconds=60.0).cost <= 30


def test_hours_alone_without_a_cost_are_refused() -> None:
    with pytest.raises(InvalidSpecError, match=r"^budget\.hours: a plan from hours needs the cost of a step"):
        sweep(budget={"hours": 1.0}).plan()


def test_hours_beside_another_limit_are_planned_by_that_limit() -> None:
    assert sweep(budget={"hours": 1.0, "trials": 9}).plan().trials == 9


def test_a_grid_is_planned_by_its_size() -> None:
    plan = sweep(space={"a": Choice([1, 2, 3]), "b": Choice(["u", "v"])}, controller="grid", budget=None).plan()
    assert (plan.trials, plan.cost) == (6, 54)


def test_too_little_resource_for_one_trial_is_refused() -> None:
    with pytest.raises(InvalidSpecError, match=r"^budget.resource: 8 is too little for one trial; it must be at least"):
        sweep(budget={"resource": 8})


@pytest.mark.parametrize("step_seconds", [0.0, -1.0, float("nan")])
def test_a_step_that_costs_nothing_is_refused(step_seconds: float) -> None:
    with pytest.raises(InvalidSpecError, match=r"^step_seconds: must be above 0, got "):
        sweep().plan(step_seconds)


def test_a_plan_for_no_workers_is_refused() -> None:
    with pytest.raises(InvalidSpecError, match=r"^workers: must be at least 1, got 0\.$"):
        sweep().plan(1.0, workers=0)
