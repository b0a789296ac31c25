"""The model of the metric: what it believes, from whatever results there are."""

from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad
from sklearn.gaussian_process.kernels import Matern

from caviar.scheduler.core.proposers.gaussian_process import INACTIVE, MarginalLikelihood, MixedMatern
from caviar.scheduler.core.proposers.model import KrigingBeliever, expected_improvement, likely_optima
from caviar.scheduler.core.proposers.observations import Observations
from caviar.scheduler.core.proposers.sensitivity import sensitivity
from caviar.scheduler.core.proposers.surrogate import Floats, Surrogate, chosen_rows, normal_scores
from caviar.search_spaces import Choice, Integer, Log, Ordinal, SearchSpace, Uniform
from caviar.search_spaces.designs import sobol

PLANE = SearchSpace({"x": Uniform(0.0, 1.0), "y": Uniform(0.0, 1.0)})
MIXED = SearchSpace(
    {
        "optimizer": Choice(["sgd", "adam", "lion"]),
        "lr": Log(1e-4, 1.0),
        "momentum": Uniform(0.0, 0.99, when={"optimizer": ["sgd"]}),
        "layers": Integer(1, 4),
        "size": Ordinal(["s", "m", "l"]),
    }
)
losses = st.lists(st.sampled_from([0.1, 0.5, 0.5, 2.0, 1e300, inf]), min_size=1, max_size=40)


def random() -> np.random.Generator:
    return np.random.default_rng(7)


def observed(space: SearchSpace, loss: Floats, full: int = 27) -> Observations:
    """Results of a design, at 1, 3, 9 and 27 steps in turn."""
    points = space.snap(sobol(len(loss), space.dimensions, 3))
    return Observations(points, np.resize([1, 3, 9, full], len(loss)), loss)


def bowl(points: Floats) -> Floats:
    return (points[:, 0] - 0.3) ** 2 + 0.2 * (points[:, 1] - 0.8) ** 2


def learnt_bowl(n: int = 60) -> Surrogate:
    found = observed(PLANE, np.zeros(n))
    return Surrogate(
        PLANE, Observations(found.points, found.resource, bowl(found.points) + 0.1 / found.resource), 27, random()
    )


@given(losses)
def test_scores_follow_ranks_and_equal_losses_have_one(loss: list[float]) -> None:
    found = normal_scores(np.array(loss))
    assert np.isfinite(found).all()
    for first, one in zip(found, loss, strict=True):
        for second, other in zip(found, loss, strict=True):
            assert (first < second) == (one < other)


@given(losses)
def test_scores_do_not_depend_on_the_scale_of_losses(loss: list[float]) -> None:
    bent = np.cbrt(np.array(loss)) * 5 - 3
    np.testing.assert_array_equal(normal_scores(bent), normal_scores(np.array(loss)))


@given(losses, st.integers(2, 50), st.integers(0, 9))
def test_of_many_results_the_best_half_is_used_and_others_at_random(loss: list[float], most: int, seed: int) -> None:
    values = np.array(loss)
    rows = chosen_rows(values, most, np.random.default_rng(seed))
    assert len(rows) == min(most, len(loss))
    assert len(set(rows.tolist())) == len(rows)
    assert sorted(values)[: min(most // 2, len(loss))] == sorted(values[rows])[: min(most // 2, len(loss))]


def test_on_numbers_the_kernel_is_scikit_learns_matern() -> None:
    first, second = random().random((5, 3)), random().random((7, 3))
    scale = np.array([0.2, 1.0, 3.0])
    np.testing.assert_allclose(MixedMatern(scale)(first, second), Matern(scale, nu=2.5)(first, second))


@given(seed=st.integers(0, 10**6), scale=st.lists(st.sampled_from([0.03, 0.7, 3.0, 100.0]), min_size=5, max_size=5))
def test_covariances_of_options_and_inactive_values_are_a_kernel(seed: int, scale: list[float]) -> None:
    points = MIXED.snap(np.random.default_rng(seed).random((30, MIXED.dimensions)))
    features = np.where(np.isnan(points), INACTIVE, points)
    covariance = MixedMatern(np.array(scale), options=(0,))(features)
    np.testing.assert_array_equal(covariance, covariance.T)
    np.testing.assert_allclose(np.diag(covariance), 1.0)
    assert np.linalg.eigvalsh(covariance).min() > -1e-9


def test_options_are_as_far_apart_as_any_two_of_them() -> None:
    features = np.array([[1 / 6, 0.5], [0.5, 0.5], [5 / 6, 0.5]])
    covariance = MixedMatern(np.ones(2), options=(0,))(features)
    assert covariance[0, 1] == covariance[0, 2] == covariance[1, 2] < 1.0


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_the_gradient_of_the_evidence_is_that_of_central_differences(seed: int) -> None:
    draw = np.random.default_rng(seed)
    points = MIXED.snap(draw.random((20, MIXED.dimensions)))
    targets = draw.standard_normal(20)
    likelihood = MarginalLikelihood(np.where(np.isnan(points), INACTIVE, points), targets - targets.mean(), (0,))
    logs = draw.uniform(-1, 1, 7)
    scale = float(np.linalg.norm(likelihood(logs)[1]))
    assert check_grad(lambda point: likelihood(point)[0], lambda point: likelihood(point)[1], logs) < 1e-5 * (1 + scale)


def test_it_finds_the_bowl_from_results_of_all_rungs() -> None:
    surrogate, points = learnt_bowl(), sobol(500, 2, 1)
    expected = surrogate.posterior(points).mean
    best = points[np.argmin(expected)]
    np.testing.assert_allclose(best, [0.3, 0.8], atol=0.15)
    assert np.corrcoef(np.argsort(np.argsort(expected)), np.argsort(np.argsort(bowl(points))))[0, 1] > 0.95


def test_it_is_surer_where_results_are() -> None:
    surrogate = learnt_bowl(20)
    here = surrogate.posterior(surrogate.observations.points).variance
    corner = surrogate.posterior(np.array([[0.0, 0.0]])).variance
    assert here.mean() < corner[0]


@pytest.mark.parametrize(
    "loss",
    [
        np.full(30, 0.5),
        np.array([0.1] + [inf] * 29),
        np.array([1e300, -1e300] * 15),
        np.array([1e-12] * 15 + [1.0] * 15),
    ],
    ids=["a plateau", "all but one diverged", "outliers", "two plateaus"],
)
@pytest.mark.parametrize("space", [PLANE, MIXED], ids=["numbers", "mixed"])
def test_no_results_are_too_odd_to_learn_from(space: SearchSpace, loss: Floats) -> None:
    surrogate = Surrogate(space, observed(space, loss), 27, random())
    posterior = surrogate.posterior(space.snap(sobol(50, space.dimensions, 9)))
    assert np.isfinite(posterior.mean).all()
    assert (posterior.variance > 0).all()


def test_one_result_is_enough() -> None:
    surrogate = Surrogate(PLANE, Observations(np.array([[0.5, 0.5]]), np.array([1]), np.array([0.3])), 1, random())
    assert np.isfinite(surrogate.posterior(np.array([[0.1, 0.1]])).mean).all()


def test_expected_improvement_is_the_mean_of_what_draws_improve() -> None:
    mean, variance, best = np.array([0.0, 0.5, -1.0]), np.array([1.0, 0.25, 0.01]), 0.2
    draws = mean + np.sqrt(variance) * random().standard_normal((400_000, 3))
    improved = np.maximum(best - draws, 0.0).mean(axis=0)
    np.testing.assert_allclose(expected_improvement(mean, variance, best), improved, atol=5e-3)


def test_a_batch_keeps_its_distance_from_itself_and_from_what_is_pending() -> None:
    surrogate, candidates = learnt_bowl(20), sobol(300, 2, 5)
    posterior = surrogate.posterior(candidates)
    best = float(posterior.mean.min())
    alone = KrigingBeliever(surrogate, posterior, best).choose(5)
    assert len(set(alone.tolist())) == 5
    pending = np.repeat(candidates[alone[:1]], 20, axis=0)
    posterior = surrogate.posterior(np.concatenate([candidates, pending]))
    beside = KrigingBeliever(surrogate, posterior, best, pending=20).choose(1)[0]
    assert np.linalg.norm(candidates[beside] - pending[0]) > 0.05


def test_a_batch_is_no_larger_than_its_candidates() -> None:
    surrogate = learnt_bowl(10)
    assert sorted(KrigingBeliever(surrogate, surrogate.posterior(sobol(3, 2, 5)), 0.0).choose(9).tolist()) == [0, 1, 2]


def test_likely_optima_lie_where_the_bowl_is_lowest() -> None:
    surrogate, points = learnt_bowl(), sobol(256, 2, 2)
    optima = points[likely_optima(surrogate, surrogate.posterior(points), 100, random())]
    np.testing.assert_allclose(np.median(optima, axis=0), [0.3, 0.8], atol=0.2)


def test_what_alone_changes_a_prediction_has_all_of_the_importance() -> None:
    shares = sensitivity(MIXED, lambda points: points[:, 1] ** 2)
    assert shares["lr"] == pytest.approx(1.0)
    assert list(shares) == ["optimizer", "lr", "momentum", "layers", "size"]


def test_importances_are_shares_of_one_and_count_interactions_for_both() -> None:
    shares = sensitivity(PLANE, lambda points: points[:, 0] * points[:, 1])
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["x"] == pytest.approx(0.5, abs=0.03)


def test_where_nothing_changes_the_prediction_nothing_is_important() -> None:
    assert sensitivity(PLANE, lambda points: np.zeros(len(points))) == {"x": 0.0, "y": 0.0}
