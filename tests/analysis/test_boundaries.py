"""When the best trials lie at an end of a range, a person is told."""

from collections.abc import Sequence

import numpy as np
import pytest

from caviar.scheduler.analysis.boundaries import boundary_warnings
from caviar.search_spaces import (
    Choice,
    Constant,
    Domain,
    Integer,
    InverseLog,
    Log,
    Ordinal,
    SearchSpace,
    Uniform,
    Value,
)

MIDDLE = 0.5


def ranked(domain: Domain, best: Sequence[float], trials: int = 20) -> list[dict[str, Value]]:
    """Configurations, best first: the best at these places of the unit cube and the others in the middle."""
    units = np.array([*best, *[MIDDLE] * (trials - len(best))])
    return [{"x": value} for value in domain.decode(units).tolist()]


def warnings(domain: Domain, best: Sequence[float], trials: int = 20) -> list[str]:
    return [str(warning) for warning in boundary_warnings(SearchSpace({"x": domain}), ranked(domain, best, trials))]


def test_the_best_five_near_the_upper_end_are_a_warning() -> None:
    assert warnings(Log(1e-4, 1.0), [1.0, 0.99, 0.962, 0.97, 0.98]) == [
        "x: the best 5 lie within 4 % of the upper end 1: consider a wider range"
    ]


def test_the_best_five_near_the_lower_end_are_a_warning() -> None:
    assert warnings(Log(1e-4, 1.0), [0.0, 0.01, 0.012, 0.0, 0.0]) == [
        "x: the best 5 lie within 2 % of the lower end 0.0001: consider a wider range"
    ]


def test_the_distance_is_measured_on_the_domains_own_scale() -> None:
    assert warnings(InverseLog(0.9, 0.99999), [0.97] * 5)
    in_the_middle = InverseLog(0.9, 0.99999).encode([0.999] * 5).tolist()
    assert warnings(InverseLog(0.9, 0.99999), in_the_middle) == []


@pytest.mark.parametrize("best", [[0.9, 1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0, 1.0], [1.0] * 4])
def test_one_of_the_five_elsewhere_is_none(best: list[float]) -> None:
    assert warnings(Log(1e-4, 1.0), best) == []


@pytest.mark.parametrize(("share", "count"), [(0.5, 1), (0.006, 1), (0.004, 0)])
def test_where_a_hyperparameter_hardly_matters_an_end_is_none(share: float, count: int) -> None:
    space = SearchSpace({"x": Log(1e-4, 1.0)})
    assert len(boundary_warnings(space, ranked(Log(1e-4, 1.0), [1.0] * 5), {"x": share})) == count


def test_what_matters_most_comes_first() -> None:
    space = SearchSpace({"x": Log(1e-4, 1.0), "y": Log(1e-4, 1.0)})
    both: list[dict[str, Value]] = [{"x": 1.0, "y": 1.0}] * 20
    assert [warning.name for warning in boundary_warnings(space, both, {"x": 0.2, "y": 0.8})] == ["y", "x"]


def test_few_trials_say_nothing() -> None:
    assert warnings(Log(1e-4, 1.0), [1.0] * 5, trials=19) == []


def test_whole_numbers_at_an_end_are_exactly_there() -> None:
    assert warnings(Integer(4, 8), [1.0] * 5) == ["x: the best 5 are at the upper end 8: consider a wider range"]
    assert warnings(Integer(4, 8), [0.0] * 5) == ["x: the best 5 are at the lower end 4: consider a wider range"]
    assert warnings(Integer(4, 8), [0.7] * 5) == []


@pytest.mark.parametrize("domain", [Uniform(0.0, 0.5), Integer(0, 9), Integer(1, 9), InverseLog(0.0, 0.99)])
def test_a_range_that_begins_where_nothing_is_below_has_no_lower_end(domain: Domain) -> None:
    assert warnings(domain, [0.0] * 5) == []
    assert len(warnings(domain, [1.0] * 5)) == 1


@pytest.mark.parametrize("domain", [Uniform(0.0, 1.0), Uniform(-1.0, 0.0), Uniform(0.5, 1.0), Integer(0, 1)])
def test_a_share_a_negative_number_and_a_switch_have_no_upper_end(domain: Domain) -> None:
    assert warnings(domain, [1.0] * 5) == []


@pytest.mark.parametrize("domain", [Choice(["a", "b"]), Ordinal([16, 64]), Constant(3)])
def test_listed_values_have_no_ends(domain: Domain) -> None:
    assert warnings(domain, [1.0] * 5) == []


def test_trials_in_which_a_hyperparameter_is_inactive_do_not_count() -> None:
    space = SearchSpace({"kind": Choice(["a", "b"]), "x": Log(1e-4, 1.0, when={"kind": ["a"]})})
    with_x: list[dict[str, Value]] = [{"kind": "a", **config} for config in ranked(Log(1e-4, 1.0), [1.0] * 5)]
    without: list[dict[str, Value]] = [{"kind": "b"}] * 10
    assert len(boundary_warnings(space, [*without, *with_x])) == 1
    assert boundary_warnings(space, [*without, *with_x[:19]]) == []
