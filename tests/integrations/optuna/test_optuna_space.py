"""The search space as Optuna sees it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from caviar.scheduler.integrations.optuna.space import distributions, parameters, unit_point
from caviar.search_spaces import Choice, Constant, Integer, InverseLog, Log, Ordinal, SearchSpace, Uniform

SPACE = SearchSpace(
    {
        "optimizer": Choice(["sgd", "adam", None]),
        "lr": Log(1e-4, 1.0),
        "momentum": InverseLog(0.9, 0.999, when={"optimizer": ["sgd"]}),
        "layers": Integer(1, 5),
        "hidden": Integer(8, 512, log=True),
        "size": Ordinal(["s", "m", "l"]),
        "step": Uniform(0.0, 1.0, step=0.25),
        "fixed": Constant("x"),
    }
)


def test_every_varying_hyperparameter_has_a_distribution_over_the_unit_cube() -> None:
    assert distributions(SPACE) == {
        "optimizer": CategoricalDistribution((0, 1, 2)),
        "lr": FloatDistribution(0.0, 1.0),
        "momentum": FloatDistribution(0.0, 1.0),
        "layers": IntDistribution(0, 4),
        "hidden": FloatDistribution(0.0, 1.0),
        "size": IntDistribution(0, 2),
        "step": IntDistribution(0, 4),
    }


def test_only_active_hyperparameters_have_parameters() -> None:
    points = SPACE.encode(
        [
            {"optimizer": "sgd", "lr": 1.0, "momentum": 0.9, "layers": 2, "hidden": 8, "size": "m", "step": 0.5},
            {"optimizer": "adam", "lr": 1e-4, "layers": 5, "hidden": 64, "size": "l", "step": 1.0},
        ]
    )
    first, second = (parameters(SPACE, point) for point in points)
    assert {name: first[name] for name in ("optimizer", "lr", "momentum", "layers", "size", "step")} == {
        **{"optimizer": 0, "lr": 1.0, "momentum": 0.0, "layers": 1, "size": 1, "step": 2},
    }
    assert "momentum" not in second
    assert second["optimizer"] == 1


@given(unit=st.lists(st.floats(0, 1), min_size=7, max_size=7))
def test_parameters_lead_back_to_the_configuration_and_lie_in_their_distributions(unit: list[float]) -> None:
    points = np.array([unit])
    found = parameters(SPACE, points[0])
    assert all(distributions(SPACE)[name]._contains(value) for name, value in found.items())
    point = unit_point(SPACE, found)
    np.testing.assert_allclose(point, SPACE.snap(points)[0], atol=1e-12)
    assert SPACE.decode(point[None]) == SPACE.decode(points)
