"""Proposals by a model: a function of the request, inside the space, near what is good."""

from dataclasses import replace

import numpy as np
import orjson
import pytest

from caviar.scheduler.core.proposers.model import ModelProposer
from caviar.scheduler.core.proposers.observations import Observations
from caviar.scheduler.core.proposers.proposal import Points, Proposal, Request
from caviar.scheduler.core.proposers.region import Region
from caviar.search_spaces import Choice, Integer, InverseLog, Log, SearchSpace, Uniform
from caviar.search_spaces.designs import sobol

SPACE = SearchSpace(
    {
        "optimizer": Choice(["sgd", "adam"]),
        "lr": Log(1e-4, 1.0),
        "momentum": InverseLog(0.9, 0.999, when={"optimizer": ["sgd"]}),
        "hidden": Integer(8, 64),
        "dropout": Uniform(0.0, 0.5),
        "layers": Integer(1, 3),
    },
    ["lr * hidden <= 16"],
)


def loss(points: Points) -> Points:
    """Adam is better than SGD, and the learning rate matters most."""
    return (points[:, 0] < 0.5) + 4 * (points[:, 1] - 0.4) ** 2 + 0.1 * points[:, 4]


def request(n: int = 9, results: int = 60, number: int = 3) -> Request:
    points = SPACE.snap(sobol(4 * results, SPACE.dimensions, 1))
    points = points[SPACE.feasible(points)][:results]
    resource = np.resize([1, 1, 3, 9], len(points))
    found = Observations(points, resource, loss(points) + 1 / resource)
    return Request(number, n, found, np.empty((0, SPACE.dimensions)))


@pytest.fixture(scope="module")
def proposal() -> Proposal:
    return ModelProposer(SPACE, 9, 5).propose(request())


def test_the_same_request_is_answered_with_the_same_proposal(proposal: Proposal) -> None:
    again = ModelProposer(SPACE, 9, 5).propose(request())
    np.testing.assert_array_equal(again.points, proposal.points)
    assert again.insight == proposal.insight


def test_another_seed_or_number_looks_at_other_candidates(proposal: Proposal) -> None:
    for proposer, number in ((ModelProposer(SPACE, 9, 6), 3), (ModelProposer(SPACE, 9, 5), 4)):
        assert not np.array_equal(proposer.propose(request(number=number)).points, proposal.points, equal_nan=True)


def test_points_are_different_configurations_that_satisfy_the_constraints(proposal: Proposal) -> None:
    configs = SPACE.decode(proposal.points)
    assert len(configs) == 9
    assert len({str(config) for config in configs}) == 9
    assert SPACE.feasible(proposal.points).all()
    np.testing.assert_allclose(SPACE.encode(configs), proposal.points, rtol=1e-12)


def test_what_an_earlier_sweep_tried_may_be_proposed_again() -> None:
    space = SearchSpace({"layers": Integer(1, 9)})
    points = space.snap((np.arange(9)[:, None] + 0.5) / 9)
    found = Observations(points, np.full(9, 9), (points[:, 0] - 0.5) ** 2)
    asked = Request(0, 3, found, np.empty((0, 1)))
    exhausted = ModelProposer(space, 9, 5).propose(asked)
    assert len(exhausted.points) == 0, "all of them have been tried"
    assert exhausted.insight is not None
    span = exhausted.insight.region.spans["layers"]
    assert (span.low, span.high) == (5, 5), "what was tried is the best that there is"
    again = ModelProposer(space, 9, 5).propose(replace(asked, earlier=9)).points
    np.testing.assert_allclose(sorted(again.ravel()), points[3:6].ravel())


def test_points_are_better_than_those_of_the_design(proposal: Proposal) -> None:
    assert np.median(loss(proposal.points)) < np.quantile(loss(request().observations.points), 0.1)


def test_it_says_what_it_has_learnt(proposal: Proposal) -> None:
    insight = proposal.insight
    assert insight is not None
    assert insight.region.spans["optimizer"].options == ("adam",)
    low, high = insight.region.spans["lr"].low, insight.region.spans["lr"].high
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert 1e-4 < low < 4e-3 < high < 0.1
    assert insight.region.spans["layers"].is_wide
    assert insight.shares["optimizer"] + insight.shares["lr"] > 0.7
    assert insight.change.startswith("zoomed optimizer")
    assert "60 results" in insight.change


def test_a_region_that_stays_is_said_to_be_kept(proposal: Proposal) -> None:
    assert proposal.insight is not None
    again = ModelProposer(SPACE, 9, 5).propose(replace(request(), region=proposal.insight.region))
    assert again.insight is not None
    assert again.insight.change.startswith("kept")


def test_a_proposal_survives_the_journal_to_the_last_digit(proposal: Proposal) -> None:
    read = Proposal.from_json(orjson.loads(orjson.dumps(proposal.to_json())))
    np.testing.assert_array_equal(read.points, proposal.points)
    assert (read.number, read.insight) == (proposal.number, proposal.insight)


def test_it_chooses_among_given_candidates() -> None:
    candidates = SPACE.snap(sobol(40, SPACE.dimensions, 8))
    proposer = ModelProposer(SPACE, 9, 5, candidates=lambda best, random: candidates)
    chosen = proposer.propose(request(n=50)).points
    assert len(chosen) == 40
    assert {point.tobytes() for point in chosen} == {point.tobytes() for point in candidates}


@pytest.mark.slow
def test_ten_thousand_results_are_learnt_from_by_a_model_of_bounded_size() -> None:
    many = request(results=2_500)
    found = Observations.concatenate([many.observations] * 4)
    assert len(ModelProposer(SPACE, 9, 5).propose(replace(many, observations=found)).points) == 9


def test_the_region_is_all_of_the_space_where_nothing_is_known() -> None:
    whole = Region.whole(SPACE)
    assert {span.share for span in whole.spans.values()} == {1.0}
    assert (whole.spans["lr"].low, whole.spans["lr"].high) == (1e-4, 1.0)
    assert whole.spans["optimizer"].options == ("sgd", "adam")
