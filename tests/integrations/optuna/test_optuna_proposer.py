"""Optuna's samplers as proposers: a proposal follows from its request alone and keeps to the space."""

import logging
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caviar.scheduler import InvalidSpecError, Results, Sweep
from caviar.scheduler.core.proposers.observations import Observations
from caviar.scheduler.core.proposers.proposal import Request
from caviar.scheduler.lifecycle.validate import validate_spec
from caviar.scheduler.spec.spec import SweepSpec
from caviar.search_spaces import Choice, Constant, Integer, Log, Ordinal, SearchSpace, Uniform

optuna = pytest.importorskip("optuna")

from caviar.scheduler.integrations.optuna.proposer import OptunaProposer  # noqa: E402
from caviar.scheduler.integrations.optuna.space import distributions, parameters, unit_point  # noqa: E402

SAMPLERS = ["TPESampler", "GPSampler", "QMCSampler", "RandomSampler", "NSGAIISampler"]
SAMPLERS += ["CmaEsSampler"] if find_spec("cmaes") else []

SPACE = SearchSpace(
    {
        "momentum": Uniform(0.0, 1.0, when={"optimizer": ["sgd"]}),
        "optimizer": Choice(["adam", "sgd", "none"]),
        "lr": Log(1e-4, 1.0),
        "layers": Integer(1, 8),
        "hidden": Integer(8, 512, log=True),
        "pixels": Integer(0, 999),
        "batch": Ordinal([16, 32, 64]),
        "dropout": Uniform(0.0, 0.5, step=0.1),
        "depth": Constant(3),
    }
)


def request(space: SearchSpace = SPACE, number: int = 2, n: int = 4, trials: int = 25) -> Request:
    """The results of some trials at a low rung, of the first five at the full resource, and three that wait."""
    random = np.random.default_rng(1)
    points = space.snap(random.random((trials, space.dimensions)))
    losses = np.nansum((points - 0.3) ** 2, axis=1)
    losses[3] = np.inf
    few = min(5, trials)
    seen = Observations(
        np.concatenate([points, points[:few]]),
        np.repeat([9, 27], [trials, few]),
        np.concatenate([losses, losses[:few] / 2]),
    )
    return Request(number, n, seen, space.snap(random.random((3, space.dimensions))))


def proposer(name: str = "TPESampler", space: SearchSpace = SPACE, **arguments: Any) -> OptunaProposer:
    return OptunaProposer(space, 27, 5, f"optuna.samplers.{name}", arguments)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_same_request_gets_the_same_proposal_and_another_one_another(sampler: str) -> None:
    one, other = proposer(sampler), proposer(sampler)
    first = one.propose(request()).points
    np.testing.assert_array_equal(one.propose(request()).points, first)
    np.testing.assert_array_equal(other.propose(request()).points, first)
    assert not np.array_equal(one.propose(request(number=3)).points, first, equal_nan=True)


@pytest.mark.parametrize("trials", [0, 1, 25])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_proposals_are_points_of_the_space_with_a_value_where_a_name_is_active(sampler: str, trials: int) -> None:
    points = proposer(sampler).propose(request(trials=trials) if trials > 3 else bare_request(trials)).points
    assert points.shape == (4, 8)
    np.testing.assert_array_equal(SPACE.snap(points), points)
    for config in SPACE.decode(points):
        assert ("momentum" in config) == (config["optimizer"] == "sgd")
        assert 0.0 < float(str(config["lr"])) <= 1.0


def bare_request(trials: int) -> Request:
    """Next to nothing is known, and nothing waits."""
    points = SPACE.snap(np.full((trials, SPACE.dimensions), 0.5))
    seen = Observations(points, np.full(trials, 1), np.full(trials, np.inf))
    return Request(0, 4, seen, np.empty((0, SPACE.dimensions)))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_constraints_hold_and_what_a_sampler_does_not_find_is_left_to_the_design(sampler: str) -> None:
    space = SearchSpace(SPACE.domains, ["layers <= 6", "lr <= 0.1"])
    points = proposer(sampler, space).propose(request(space)).points
    assert 0 < len(points) <= 4
    assert space.feasible(points).all()
    rare = SearchSpace(SPACE.domains, ["lr <= 0.00010001"])
    assert proposer("RandomSampler", rare).propose(request(rare)).points.shape == (0, 8)


@pytest.mark.parametrize(("sampler", "resource"), [("TPESampler", 1), ("TPESampler", 27), ("GPSampler", 27)])
@pytest.mark.slow
def test_samplers_look_where_losses_are_low_and_tpe_learns_from_low_rungs_too(sampler: str, resource: int) -> None:
    space = SearchSpace({"x": Uniform(0.0, 1.0), "y": Uniform(0.0, 1.0)})
    points = np.random.default_rng(0).random((40, 2))
    seen = Observations(points, np.full(40, resource), np.square(points - 0.3).sum(axis=1))
    proposed = proposer(sampler, space).propose(Request(0, 4, seen, np.empty((0, 2)))).points
    assert np.abs(proposed - 0.3).mean() < 0.15, "half of what it would be at random"


def test_a_point_at_several_rungs_is_one_trial_and_one_that_was_tried_twice_is_two() -> None:
    space = SearchSpace({"x": Choice([1, 2])})
    points = np.array([[0.25], [0.75], [0.25], [0.25]])
    seen = Observations(points, np.array([9, 9, 27, 9]), np.array([3.0, np.inf, 2.0, 5.0]))
    known: list[Any] = []

    class Watching(optuna.samplers.RandomSampler):  # type: ignore[misc, name-defined]
        def before_trial(self, study: Any, trial: Any) -> None:
            known[:] = study.get_trials()[:-1]

    one = proposer("RandomSampler", space)
    one._make_sampler = Watching
    one.propose(Request(0, 1, seen, np.array([[0.75]])))
    assert [(trial.state.name, trial.params["x"], trial.intermediate_values) for trial in known] == [
        ("COMPLETE", 0, {9: 3.0, 27: 2.0}),
        ("PRUNED", 1, {9: 5.0}),
        ("PRUNED", 0, {9: 5.0}),
        ("RUNNING", 1, {}),
    ]


def test_points_go_to_optuna_and_back_and_scales_are_kept() -> None:
    points = SPACE.snap(np.random.default_rng(0).random((50, SPACE.dimensions)))
    known = distributions(SPACE)
    assert list(known) == [name for name in SPACE.names if name != "depth"]
    assert {name for name, kind in known.items() if isinstance(kind, optuna.distributions.FloatDistribution)} == {
        "momentum",
        "lr",
        "hidden",
        "pixels",
    }
    assert known["optimizer"] == optuna.distributions.CategoricalDistribution((0, 1, 2))
    for point in points:
        params = parameters(SPACE, point)
        assert all(known[name]._contains(known[name].to_internal_repr(value)) for name, value in params.items())
        np.testing.assert_array_equal(unit_point(SPACE, params), point)


def test_optuna_says_nothing_and_its_own_log_is_as_talkative_as_before(caplog: pytest.LogCaptureFixture) -> None:
    optuna.logging.enable_propagation()
    try:
        before = optuna.logging.get_verbosity()
        with caplog.at_level(logging.DEBUG):
            proposer(multivariate=True, group=True).propose(request())
        assert optuna.logging.get_verbosity() == before
    finally:
        optuna.logging.disable_propagation()
    assert not caplog.records


def train(trial: Any) -> Iterator[dict[str, float]]:
    """What a real run would call."""
    raise AssertionError("a simulation trains nothing")
    yield {}


def sweep(sampler: Any = "optuna.samplers.TPESampler", **fields: Any) -> Sweep:
    space = {"lr": Log(1e-4, 1.0), "layers": Integer(1, 4)}
    defaults: dict[str, Any] = {"space": space, "metric": "loss", "resource": {"max": 9}, "budget": {"trials": 50}}
    return Sweep(train, **{**defaults, "proposer": sampler, "name": "sampled", **fields})


def curve(config: Any, seed: int) -> list[float]:
    return [abs(np.log10(config["lr"]) + 2) + 0.1 * config["layers"] + 1 / step for step in range(1, 10)]


def table(results: Results) -> Any:
    return results.trials().drop_columns(["elapsed_s"])


def test_the_table_of_a_sweep_by_tpe_is_the_same_for_any_number_of_workers() -> None:
    alone = table(sweep().simulate(curve))
    for workers in (3, 16):
        assert table(sweep().simulate(curve, workers)) == alone
    assert table(sweep(None).simulate(curve)) != alone
    assert table(sweep("design").simulate(curve)) != alone


@pytest.mark.parametrize("controller", ["hyperband", "asha"])
def test_a_sampler_serves_every_controller_that_takes_proposals(controller: str) -> None:
    sampled = sweep({"name": "optuna.samplers.TPESampler", "multivariate": True}, controller=controller)
    best = sampled.simulate(curve, workers=2).best
    assert abs(np.log10(float(str(best.config["lr"]))) + 2) < 0.5


LISTED = ", ".join(
    f"optuna.samplers.{name}Sampler" for name in ("CmaEs", "GP", "NSGAII", "NSGAIII", "QMC", "Random", "TPE")
)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            "optuna.samplers.TPE",
            f"proposer: must be model, design or one of {LISTED}, got 'optuna.samplers.TPE'.",
        ),
        (
            "optuna.samplers.GridSampler",
            f"proposer: must be model, design or one of {LISTED}, got 'optuna.samplers.GridSampler'.",
        ),
        (
            {"name": "optuna.samplers.RandomSampler", "multivariate": True},
            "proposer.multivariate: optuna.samplers.RandomSampler takes no such argument from a spec, got True;"
            " allowed are none.",
        ),
        (
            {"name": "optuna.samplers.TPESampler", "n_startup_trials": "few"},
            "proposer.n_startup_trials: must be of type int, got 'few'.",
        ),
        (
            {"name": "optuna.samplers.TPESampler", "seed": 3},
            "proposer.seed: it follows from the sweep's seed, got 3; leave it out.",
        ),
    ],
)
def test_what_no_sampler_is_or_takes_is_one_sentence_when_the_sweep_is_made(
    given: Any, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidSpecError) as refusal:
        sweep(given)
    assert str(refusal.value) == sentence
    (tmp_path / "train.py").write_text("")
    file = tmp_path / "sweep.yaml"
    file.write_text(sweep(None).spec.model_copy(update={"trainer": "train.py:train"}).to_yaml())
    with pytest.raises(InvalidSpecError) as refusal:
        validate_spec(file, {"proposer": given})
    assert str(refusal.value) == sentence


def test_functions_are_no_arguments_and_the_allowed_ones_are_listed() -> None:
    with pytest.raises(InvalidSpecError, match=r"^proposer\.gamma: .*; allowed are .*n_startup_trials, .*multivariate"):
        sweep({"name": "optuna.samplers.TPESampler", "gamma": 3})


def test_a_value_that_a_sampler_refuses_is_one_sentence() -> None:
    given = {"name": "optuna.samplers.QMCSampler", "qmc_type": "lattice"}
    with pytest.raises(InvalidSpecError) as refusal:
        sweep(given)
    assert str(refusal.value).startswith("proposer: optuna.samplers.QMCSampler refuses {'qmc_type': 'lattice'}: ")
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.skipif("cmaes" in sys.modules or find_spec("cmaes") is not None, reason="cmaes is installed")
def test_a_package_that_a_sampler_needs_is_asked_for() -> None:
    with pytest.raises(InvalidSpecError) as refusal:
        sweep("optuna.samplers.CmaEsSampler")
    assert str(refusal.value) == ("proposer: optuna.samplers.CmaEsSampler needs the package cmaes: pip install cmaes.")


def test_without_optuna_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "caviar.scheduler.integrations.optuna.proposer")
    monkeypatch.delitem(sys.modules, "caviar.scheduler.integrations.optuna.samplers")
    monkeypatch.setattr(sys, "meta_path", [NoOptuna(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "optuna")
    with pytest.raises(InvalidSpecError) as refusal:
        sweep()
    assert str(refusal.value) == "proposer: optuna is not installed: pip install 'caviar[optuna]'."


class NoOptuna:
    """Finds no module of that name."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == "optuna":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_a_sampler_with_arguments_comes_back_from_yaml() -> None:
    spec = sweep({"name": "optuna.samplers.TPESampler", "n_startup_trials": 5, "multivariate": True}).spec
    again = SweepSpec.from_yaml(spec.to_yaml())
    assert again == spec
    assert again.proposer is not None
    assert again.proposer.arguments == {"n_startup_trials": 5, "multivariate": True}
