"""The region in native units: which values it holds, how it changes, and how it reads."""

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caviar.scheduler.analysis.wording import describe_region, describe_shares, show_share, show_value
from caviar.scheduler.core.proposers.region import Region, Span, changes
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

SPACE = SearchSpace(
    {
        "lr": Log(1e-4, 1.0),
        "momentum": InverseLog(0.9, 0.999),
        "hidden": Integer(32, 128, log=True),
        "size": Ordinal(["s", "m", "l"]),
        "kind": Choice(["a", "b", "c", "d"]),
        "beta": Uniform(0.0, 1.0, when={"kind": ["a"]}),
        "fixed": Constant(1),
    }
)


def around(**units: float) -> Region:
    """The region of optima at one place; in the middle where nothing is said."""
    names = [name for name, domain in SPACE.domains.items() if not domain.is_constant]
    return Region.holding(SPACE, np.array([[units.get(name, 0.5) for name in names]] * 10))


def between(low: float, high: float) -> Region:
    """The region of optima that are spread evenly between two places of every hyperparameter."""
    return Region.holding(SPACE, np.linspace([low] * SPACE.dimensions, [high] * SPACE.dimensions, 101))


def test_the_whole_space_has_the_ends_of_every_domain() -> None:
    spans = Region.whole(SPACE).spans
    assert set(spans) == set(SPACE.names) - {"fixed"}
    assert all(span.share == 1.0 and span.is_wide for span in spans.values())
    ends = {name: (span.low, span.high) for name, span in spans.items() if not span.options}
    assert ends == {
        "lr": (1e-4, 1.0),
        "momentum": (0.9, 0.999),
        "hidden": (32, 128),
        "size": ("s", "l"),
        "beta": (0.0, 1.0),
    }
    assert spans["kind"].options == ("a", "b", "c", "d")


def test_a_span_holds_the_middle_four_fifths_of_the_optima_on_its_own_scale() -> None:
    spans = between(0.0, 1.0).spans
    assert (spans["lr"].share, spans["lr"].low, spans["lr"].high) == pytest.approx((0.8, 10**-3.6, 10**-0.4))
    assert spans["momentum"].low == pytest.approx(1 - 10**-1.2)
    assert spans["momentum"].high == pytest.approx(1 - 10**-2.8)
    assert spans["lr"].is_wide


def test_values_of_few_are_listed_from_the_first_to_the_last_with_their_part_of_the_scale() -> None:
    span = around(size=0.4, hidden=0.0).spans
    assert (span["size"].low, span["size"].high) == ("m", "m")
    assert span["size"].share == pytest.approx(1 / 3, abs=0.01)
    assert (span["hidden"].low, span["hidden"].high) == (32, 32)
    assert 0 < span["hidden"].share < 0.05


def test_rare_options_are_left_out() -> None:
    optima = np.full((20, SPACE.dimensions), 0.5)
    column = 4
    optima[:, column] = [0.1] * 12 + [0.9] * 7 + [0.4]
    span = Region.holding(SPACE, optima).spans["kind"]
    assert span == Span(0.5, options=("a", "d"))


def test_where_a_hyperparameter_is_inactive_in_all_optima_its_span_is_everything() -> None:
    optima = np.full((4, SPACE.dimensions), 0.5)
    optima[:, -1] = np.nan
    assert Region.holding(SPACE, optima).spans["beta"] == Span(1.0, 0.0, 1.0)


def test_optima_in_which_it_is_inactive_do_not_count() -> None:
    optima = np.full((4, SPACE.dimensions), 0.5)
    optima[:3, -1] = np.nan
    optima[3, -1] = 0.25
    assert Region.holding(SPACE, optima).spans["beta"] == Span(0.0, 0.25, 0.25)


@given(units=st.lists(st.lists(st.floats(0, 1), min_size=6, max_size=6), min_size=1, max_size=20))
def test_a_region_lies_in_its_space_and_comes_back_from_json(units: list[list[float]]) -> None:
    region = Region.holding(SPACE, np.array(units))
    for name, span in region.spans.items():
        values: Any = list(span.options) or [span.low, span.high]
        places = SPACE.domains[name].encode(values)
        assert 0.0 <= span.share <= 1.0
        assert bool(span.options) or places[0] <= places[1]
    assert Region.from_json(orjson.loads(orjson.dumps(region.to_json()))) == region


def test_spans_that_become_narrower_zoom_and_spans_that_become_wider_widen() -> None:
    wide, narrow = between(0.0, 1.0), between(0.4, 0.6)
    assert {"lr", "momentum", "hidden", "beta"} <= set(changes(SPACE, wide, narrow).zoomed)
    assert {"lr", "momentum", "hidden", "beta"} <= set(changes(SPACE, narrow, wide).widened)
    assert changes(SPACE, wide, wide) == changes(SPACE, narrow, narrow) == changes(SPACE, around(), around())


def test_a_span_of_the_same_width_elsewhere_has_moved() -> None:
    change = changes(SPACE, between(0.1, 0.3), between(0.6, 0.8))
    assert {"lr", "momentum", "beta"} <= set(change.moved)
    assert changes(SPACE, around(kind=0.1), around(kind=0.9)).moved == ("kind",)


def test_changes_are_a_sentence() -> None:
    assert str(changes(SPACE, around(), around())) == "kept"
    assert str(changes(SPACE, around(kind=0.1), around(kind=0.9))) == "moved kind"
    before, after = between(0.2, 0.4), between(0.25, 0.25)
    assert str(changes(SPACE, before, after)).startswith("zoomed lr, momentum, hidden")
    assert " and beta" in str(changes(SPACE, before, after))


@pytest.mark.parametrize(
    ("domain", "value", "shown"),
    [
        (Log(1e-4, 1.0), 0.042134, "0.042"),
        (Log(1e-4, 1.0), 0.99999, "1"),
        (InverseLog(0.9, 0.999), 0.98713, "0.987"),
        (InverseLog(0.9, 0.99999), 0.999871, "0.99987"),
        (InverseLog(0.9, 0.99999), 0.99999, "0.99999"),
        (Uniform(1000.0, 1010.0), 1003.456, "1003.46"),
        (Uniform(0.0, 0.5), 0.0, "0"),
        (Uniform(0.0, 0.3, step=0.1), 0.3, "0.3"),
        (Ordinal([0.5, 0.123456]), 0.123456, "0.123456"),
        (Integer(1, 9), 3, "3"),
        (Choice([[64, 32], "a"]), [64, 32], "[64, 32]"),
    ],
)
def test_numbers_have_as_many_digits_as_their_domain_needs(domain: Domain, value: Value, shown: str) -> None:
    assert show_value(domain, value) == shown


@given(unit=st.floats(0, 1))
def test_what_is_shown_lies_in_the_domain_within_a_third_of_a_percent(unit: float) -> None:
    for domain in (Log(1e-9, 1e3), InverseLog(0.0, 0.9999999), Uniform(-1e6, 3.0), Uniform(7.0, 7.0001)):
        shown = float(show_value(domain, domain.decode(np.array([unit]))[0].item()))
        assert abs(domain.encode([shown])[0] - unit) <= 0.0033


def test_a_region_reads_as_one_line_with_what_is_open_at_its_end() -> None:
    spans = {
        "lr": Span(0.3, 0.0031, 0.0519),
        "momentum": Span(0.8, 0.9, 0.999),
        "hidden": Span(0.1, 64, 64),
        "kind": Span(0.5, options=("a", "d")),
        "beta": Span(1.0, 0.0, 1.0),
    }
    assert describe_region(SPACE, Region(spans)) == (
        "lr 0.0031 to 0.052 · hidden 64 · kind a, d · anywhere: momentum, beta"
    )
    assert describe_region(SPACE, Region({"lr": Span(1.0, 1e-4, 1.0)})) == "anywhere: lr"


def test_shares_read_as_percentages_most_first() -> None:
    assert describe_shares({"a": 0.204, "b": 0.79, "c": 0.004}) == "b 79 % · a 20 % · hardly: c"
    assert describe_shares({"a": 0.0, "b": 0.0}) == "none of them, as far as can be seen"
    assert [show_share(share) for share in (1.0, 0.012, 0.0044, 0.00001, 0.0)] == [
        *("100 %", "1 %", "0.4 %", "0.001 %", "0 %"),
    ]
