"""Warnings where the best trials lie at an end of a range, beyond which better ones may lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from ...search_spaces import Domain, Integer, InvalidSpaceError, InverseLog, Log, SearchSpace, Uniform, Value
from .wording import HARDLY, show_value

Ends = tuple[Value | None, Value | None]

_ENOUGH = 20
"""Results needed for a warning: with fewer the best of them say little."""
_BEST = 5
_NEAR = 0.05
"""Five uniform points lie in the same twentieth of a range once in three million times."""


@dataclass(frozen=True, slots=True)
class BoundaryWarning:
    """The best trials lie at an end of a range.

    Attributes:
        name: The hyperparameter.
        end: "lower" or "upper".
        bound: The end's value as it is written.
        distance: The part of the range, on its own scale, between the end and the furthest of the best trials.
    """

    name: str
    end: str
    bound: str
    distance: float

    def __str__(self) -> str:
        lie = f"lie within {max(1, ceil(100 * self.distance))} % of" if self.distance > 0 else "are at"
        return f"{self.name}: the best {_BEST} {lie} the {self.end} end {self.bound}: consider a wider range"


def boundary_warnings(
    space: SearchSpace, ranked: Sequence[Mapping[str, Value]], shares: Mapping[str, float] | None = None
) -> list[BoundaryWarning]:
    """The ends at which the best trials lie, of ranges that could be wider; the most important one comes first.

    Args:
        space: The search space.
        ranked: The configurations of the trials that have a result, best first.
        shares: Importance of each hyperparameter, where that is known. One that hardly matters is left out: a search
            that learns tries many points beside the best one, and those have its value in common.
    """
    found, shares = [], shares or {}
    for name, domain in space.domains.items():
        values = _inside(domain, [config[name] for config in ranked if name in config])
        movable = isinstance(domain, Uniform | Log | InverseLog | Integer)
        if movable and len(values) >= _ENOUGH and shares.get(name, 1.0) >= HARDLY:
            found += _warnings_of(name, domain, values[:_BEST])
    return sorted(found, key=lambda warning: -shares.get(warning.name, 1.0))


def _inside(domain: Domain, values: list[Value]) -> list[Value]:
    """The values that the domain holds; trials from before an edit may have others."""
    try:
        domain.encode(values)
    except InvalidSpaceError:
        halves = values[: len(values) // 2], values[len(values) // 2 :]
        return [value for half in halves for value in _inside(domain, half)] if len(values) > 1 else []
    return values


def _warnings_of(name: str, domain: Domain, best: Sequence[Value]) -> list[BoundaryWarning]:
    low, high = _open_ends(domain)
    units, found = domain.encode(best), []
    if low is not None:
        found.append(
            BoundaryWarning(name, "lower", show_value(domain, low), float(np.max(units - domain.encode([low]))))
        )
    if high is not None:
        found.append(
            BoundaryWarning(name, "upper", show_value(domain, high), float(np.max(domain.encode([high]) - units)))
        )
    return [warning for warning in found if warning.distance <= _NEAR]


def _open_ends(domain: Domain) -> Ends:
    """The ends that a person could move; None for an end with nothing beyond it, or hardly anything.

    A rate, a probability or a decay ends at zero. A uniform range from 0 to 1 is one of shares. A count ends at 1, and
    two whole numbers are a switch.
    """
    match domain:
        case Integer(low=low, high=high):
            if domain.size <= 2:
                return None, None
            return (None if low in {0, 1} else low), high
        case Uniform(low=below, high=above):
            return (below or None), (None if above == 0 or (below >= 0 and above == 1) else above)
        case Log(low=below, high=above) | InverseLog(low=below, high=above):
            return (below or None), above
        case _:
            return None, None
