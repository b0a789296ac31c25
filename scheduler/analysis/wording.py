"""Findings of a search in words: the same ones wherever they are shown."""

from collections.abc import Mapping
from math import log10

from ...search_spaces import Domain, InvalidSpaceError, SearchSpace, Value
from ..core.proposers.region import Region, Span

_ROUNDING = 0.003
"""Numbers are rounded by at most this part of their domain."""
HARDLY = 0.005
"""A hyperparameter that accounts for a smaller share of the metric's variation hardly matters."""


def show_value(domain: Domain, value: Value) -> str:
    """A value in as few digits as tell it from others in its domain.

    The place on the domain's own scale decides: a momentum of 0.9871 between 0.9 and 0.999 is 0.987, and a learning
    rate of 0.04213 between 0.0001 and 1 is 0.042.
    """
    if not isinstance(value, float):
        return str(value)
    if domain.size is not None:
        return f"{value:.12g}"
    place = domain.encode([value])[0]
    for digits in range(1, 17):
        rounded = f"{value:.{digits}g}"
        try:
            near = abs(domain.encode([float(rounded)])[0] - place) <= _ROUNDING
        except InvalidSpaceError:  # rounded to beyond an end of the domain
            continue
        if near:
            return rounded
    return repr(value)


def describe_region(space: SearchSpace, region: Region) -> str:
    """The place of a region, narrow spans one by one and those that say nothing together, in one line."""
    narrow = {name: span for name, span in region.spans.items() if not span.is_wide}
    wide = [name for name in region.spans if name not in narrow]
    parts = [f"{name} {_describe(space.domains[name], span)}" for name, span in narrow.items()]
    return " · ".join([*parts, *([f"anywhere: {', '.join(wide)}"] if wide else [])])


def describe_shares(shares: Mapping[str, float]) -> str:
    """The importance of each hyperparameter, most first, in one line."""
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    large = [f"{name} {show_share(share)}" for name, share in ordered if share >= HARDLY]
    small = [name for name, share in ordered if share < HARDLY]
    if not large:
        return "none of them, as far as can be seen"
    return " · ".join([*large, *([f"hardly: {', '.join(small)}"] if small else [])])


def show_share(share: float) -> str:
    """A share as a percentage: 7 %, 0.4 %."""
    digits = 0 if share == 0 or share >= 0.01 else min(3, int(-log10(share)) - 1)
    return f"{100 * share:.{digits}f} %"


def _describe(domain: Domain, span: Span) -> str:
    if span.options:
        return ", ".join(show_value(domain, option) for option in span.options)
    low, high = show_value(domain, span.low), show_value(domain, span.high)
    return low if low == high else f"{low} to {high}"
