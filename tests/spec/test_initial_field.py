"""`initial` in a spec: configurations to begin with, or one sentence that says what is wrong with them."""

from collections.abc import Iterator
from typing import Any

import pytest

from caviar.scheduler import InvalidSpecError, Sweep
from caviar.scheduler.spec.spec import SweepSpec
from caviar.search_spaces import Choice, Constant, Domain, Integer, InverseLog, Log

SPACE: dict[str, Domain] = {
    "optimizer": Choice(["sgd", "adam"]),
    "lr": Log(1e-4, 1.0),
    "momentum": InverseLog(0.9, 0.999, when={"optimizer": ["sgd"]}),
    "hidden": Integer(8, 64),
    "layers": Constant(2),
}
CONSTRAINTS = ["lr * hidden <= 32"]
INITIAL: list[dict[str, Any]] = [{"optimizer": "sgd", "lr": 0.3, "momentum": 0.95, "hidden": 64}, {"lr": 0.03}]


def train(trial: Any) -> Iterator[dict[str, float]]:
    """What a real run would call."""
    raise AssertionError("a simulation trains nothing")
    yield {}


def curve(config: Any, seed: int) -> list[float]:
    return [abs(float(config["lr"]) - 0.1) + 1 / step for step in range(1, 28)]


def sweep(**fields: Any) -> Sweep:
    defaults: dict[str, Any] = {"metric": "loss", "resource": {"max": 27}, "budget": {"trials": 30}, "name": "a"}
    return Sweep(train, **{**defaults, "space": SPACE, "constraints": CONSTRAINTS, "initial": INITIAL, **fields})


@pytest.mark.parametrize(
    ("initial", "words"),
    [
        ({"lr": 0.1}, "initial: must be a list, got {'lr': 0.1}."),
        ([0.1], "initial.0: must be a mapping, got 0.1."),
        ([{"lr": 0.1}, {"lr": 5}], "initial[1].lr: 5 is outside the range 0.0001 to 1.0."),
        ([{"lr": "0.1"}], "initial[0].lr: '0.1' is not a number."),
        ([{"hidden": 9.5}], "initial[0].hidden: 9.5 is not a whole number in the range 8 to 64."),
        ([{"optimizer": "rms"}], "initial[0].optimizer: 'rms' is none of ['sgd', 'adam']."),
        ([{"layers": 3}], "initial[0].layers: 3 is none of [2]."),
        (
            [{"width": 3}],
            "initial[0].width: there is no such hyperparameter, got 3; the space has optimizer, lr, momentum, hidden,"
            " layers.",
        ),
        (
            [{"optimizer": "adam", "momentum": 0.9}],
            "initial[0].momentum: exists only where optimizer is 'sgd', got 0.9 with optimizer 'adam'; leave it out.",
        ),
        (
            [{"momentum": 0.9}],
            "initial[0].momentum: exists only where optimizer is 'sgd', got 0.9 without optimizer; give both.",
        ),
        (
            [{"lr": 0.1}, {"lr": 0.1, "layers": 2}],
            "initial[1]: is the same as initial[0], got {'lr': 0.1, 'layers': 2}; leave one out.",
        ),
        (
            [{"lr": 1.0, "hidden": 64}],
            "initial[0]: none of 16,385 configurations with {'lr': 1.0, 'hidden': 64} satisfies lr * hidden <= 32;"
            " give other values.",
        ),
    ],
)
def test_what_the_space_does_not_have_is_refused_in_a_sentence(initial: Any, words: str) -> None:
    with pytest.raises(InvalidSpecError) as error:
        sweep(initial=initial)
    assert str(error.value) == words


@pytest.mark.parametrize("controller", ["coarse_to_fine", "asha", "grid"])
def test_the_first_trials_of_a_sweep_have_them_and_the_plan_counts_them(controller: str) -> None:
    one = sweep(controller=controller, budget={"trials": 12})
    trials = one.simulate(curve, workers=3).trials()
    assert trials.num_rows == sum(plan.trials for plan in one.plan().brackets) == 12
    columns = ["config_optimizer", "config_lr", "config_momentum", "config_hidden", "config_layers"]
    first, second = trials.select(columns).slice(0, 2).to_pylist()
    assert first == {"config_" + name: value for name, value in {**INITIAL[0], "layers": 2}.items()}
    assert second["config_lr"] == 0.03
    assert SweepSpec.from_yaml(one.spec.to_yaml()) == one.spec
