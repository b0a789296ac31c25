"""How much each hyperparameter matters, for sweeps with and without a model."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from caviar.scheduler import ResultsError, SweepError
from caviar.scheduler.analysis.importance import Method, importance
from caviar.scheduler.core.proposers.observations import Observations
from caviar.scheduler.integrations.optuna.importance import evaluate
from caviar.search_spaces import SearchSpace, Uniform
from caviar.search_spaces.designs import sobol

Recorded = Callable[..., Path]


@pytest.fixture(scope="module", params=["hyperband", "random", "asha"])
def directory(recorded: Recorded, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    return recorded(tmp_path_factory.mktemp("importance"), controller=request.param)


@pytest.mark.parametrize("method", ["model", "fanova", "ped_anova"])
def test_what_decides_the_metric_matters_most_whoever_chose_the_points(directory: Path, method: Method) -> None:
    shares = importance(directory, method)
    assert shares["lr"] > shares["width"] + shares["kind"]
    assert sum(shares.values()) == pytest.approx(1.0)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_the_model_says_the_same_each_time(recorded: Recorded, tmp_path: Path) -> None:
    directory = recorded(tmp_path, controller="hyperband")
    assert importance(directory) == importance(directory)
    assert set(importance(directory)) == {"lr", "beta", "width", "kind"}


def test_fanova_leaves_out_what_is_not_always_active(recorded: Recorded, tmp_path: Path) -> None:
    directory = recorded(tmp_path, controller="random")
    assert set(importance(directory, "fanova")) == {"lr", "width", "kind"}
    assert set(importance(directory, "ped_anova")) == {"lr", "beta", "width", "kind"}


def test_few_results_are_refused_with_how_many_it_takes(recorded: Recorded, tmp_path: Path) -> None:
    directory = recorded(tmp_path, controller="random", budget={"trials": 3})
    with pytest.raises(ResultsError, match=r"what matters shows from 10 results on, and trials have come to 3 yet\.$"):
        importance(directory)


def test_an_unknown_method_is_refused(tmp_path: Path) -> None:
    method: Method = "anova"  # type: ignore[assignment]
    with pytest.raises(ResultsError, match=r"no method 'anova': it must be model, fanova, ped_anova\.$"):
        importance(tmp_path, method)


def test_a_directory_without_a_sweep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match="there is no sweep here"):
        importance(tmp_path)


def test_without_optuna_one_sentence_says_what_to_install(
    recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = recorded(tmp_path, controller="random")
    monkeypatch.delitem(sys.modules, "caviar.scheduler.integrations.optuna.importance", raising=False)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ResultsError, match=r"^fanova needs optuna, .*: pip install 'caviar\[optuna\]'\.$"):
        importance(directory, "fanova")
    assert importance(directory)


@pytest.mark.parametrize("method", ["fanova", "ped_anova"])
def test_where_all_results_are_equal_nothing_matters(method: str) -> None:
    plane = SearchSpace({"x": Uniform(0.0, 1.0), "y": Uniform(0.0, 1.0)})
    same = Observations(sobol(20, 2, 1), np.ones(20, np.int64), np.full(20, 0.5))
    assert evaluate(plane, same, method) == {"x": 0.0, "y": 0.0}


def test_where_nothing_varies_nothing_can_matter(recorded: Recorded, tmp_path: Path) -> None:
    directory = recorded(tmp_path, space={"lr": {"constant": 0.1}, "kind": {"constant": "a"}}, controller="hyperband")
    with pytest.raises(ResultsError, match=r": all hyperparameters are constants, so none can matter\.$"):
        importance(directory)
