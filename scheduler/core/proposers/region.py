"""The region: the part of the search space that holds the likely optima, in the units in which people think."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ....search_spaces import Choice, Domain, SearchSpace, Value

_TAILS = (0.1, 0.9)
"""The quantiles between which a span lies: it holds 80 % of the likely optima."""
_RARE = 0.1
"""Options with a smaller share of the likely optima are left out."""
_WIDE = 0.75
"""A span of a larger share of its domain says nothing of where the optimum is."""
_CHANGED = 1.3
"""A span is called zoomed or widened where its share changed by more than this factor."""


@dataclass(frozen=True, slots=True)
class Span:
    """The likely best values of one hyperparameter.

    Attributes:
        share: The part of its domain that this is, in [0, 1], on its own scale; 0 for one number of a continuous range.
        low: The lowest of them; None where they are options without an order.
        high: The highest of them; None likewise.
        options: The options, where they have no order; empty otherwise.
    """

    share: float
    low: Value = None
    high: Value = None
    options: tuple[Value, ...] = ()

    @property
    def is_wide(self) -> bool:
        """True where it is most of the domain."""
        return self.share > _WIDE


@dataclass(frozen=True, slots=True)
class Region:
    """A box in native units.

    Attributes:
        spans: The span of each hyperparameter that is not constant.
    """

    spans: Mapping[str, Span]

    @classmethod
    def holding(cls, space: SearchSpace, optima: npt.NDArray[np.float64]) -> "Region":
        """The box that holds the likely optima, float64 [n, d] with NaN where a hyperparameter is inactive; n >= 1."""
        columns = zip(space.varying.items(), optima.T, strict=True)
        return cls({name: _span(domain, units) for (name, domain), units in columns})

    @classmethod
    def whole(cls, space: SearchSpace) -> "Region":
        """All of the space."""
        return cls({name: _whole(domain) for name, domain in space.varying.items()})

    def to_json(self) -> dict[str, dict[str, Any]]:
        """The region as JSON values."""
        return {name: {**asdict(span), "options": list(span.options)} for name, span in self.spans.items()}

    @classmethod
    def from_json(cls, spans: Mapping[str, Mapping[str, Any]]) -> "Region":
        """The region that `to_json` wrote."""
        return cls({name: Span(**{**span, "options": tuple(span["options"])}) for name, span in spans.items()})


@dataclass(frozen=True, slots=True)
class Changes:
    """The differences of a region from the one before.

    Attributes:
        zoomed: Hyperparameters whose span became narrower.
        widened: Those whose span became wider.
        moved: Those whose new span has its middle outside the old one, or that have other options.
    """

    zoomed: tuple[str, ...] = ()
    widened: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()

    def __str__(self) -> str:
        named = [("zoomed", self.zoomed), ("moved", self.moved), ("widened", self.widened)]
        return ", ".join(f"{word} {_listed(names)}" for word, names in named if names) or "kept"


def changes(space: SearchSpace, before: Region, after: Region) -> Changes:
    """The changes that a new region makes, hyperparameter by hyperparameter."""
    kinds = {name: _change(space.domains[name], before.spans[name], span) for name, span in after.spans.items()}
    return Changes(*(tuple(name for name, kind in kinds.items() if kind == which) for which in ("z", "w", "m")))


def _span(domain: Domain, units: npt.NDArray[np.float64]) -> Span:
    units = units[~np.isnan(units)]
    if not len(units):
        return _whole(domain)
    if isinstance(domain, Choice):
        counts = np.bincount(domain.position(units), minlength=domain.size) / len(units)
        return _options(domain, np.flatnonzero(counts >= min(_RARE, counts.max())))
    return _between(domain, *np.quantile(units, _TAILS))


def _whole(domain: Domain) -> Span:
    return _options(domain, np.arange(domain.size)) if isinstance(domain, Choice) else _between(domain, 0.0, 1.0)


def _between(domain: Domain, low: float, high: float) -> Span:
    ends = domain.snap(np.array([low, high]))
    first, last = domain.decode(ends).tolist()
    share = ends[1] - ends[0] if domain.size is None else _share_of_positions(domain, ends)
    return Span(float(np.clip(share, 0.0, 1.0)), first, last)


def _share_of_positions(domain: Domain, ends: npt.NDArray[np.float64]) -> float:
    """The part of [0, 1] that belongs to the values between two, both included."""
    positions = domain.position(np.linspace(0.0, 1.0, 1001))
    first, last = domain.position(ends)
    return float(np.mean((positions >= first) & (positions <= last)))


def _options(domain: Choice, places: npt.NDArray[np.int64]) -> Span:
    return Span(len(places) / domain.size, options=tuple(domain.options[place] for place in places))


def _change(domain: Domain, before: Span, after: Span) -> str | None:
    if after.options:
        if len(after.options) != len(before.options):
            return "z" if len(after.options) < len(before.options) else "w"
        return None if after.options == before.options else "m"
    if after.share * _CHANGED < before.share:
        return "z"
    if after.share > before.share * _CHANGED:
        return "w"
    low, high = domain.encode([before.low, before.high])
    return None if low <= np.mean(domain.encode([after.low, after.high])) <= high else "m"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
