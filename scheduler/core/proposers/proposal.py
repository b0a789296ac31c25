"""The two messages between a controller and what proposes for it: a request goes out, a proposal comes back.

A proposal takes a second of arithmetic, so it is work like training: it is asked for, made elsewhere while workers are
busy, recorded, and then handled. A replay takes it from the record, whatever machine or library made it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .observations import Observations
from .region import Region

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Request:
    """The inputs of a proposal; they depend on the spec and on results, never on the clock or the workers.

    Attributes:
        number: The number of the proposal, from 0; where brackets are proposed, the bracket's.
        n: Number of points that are wanted, at least 1.
        observations: The results so far.
        pending: float64 [m, d], points whose results are not known yet.
        region: The region of the proposal before; None before the first.
        earlier: Number of the observations, the first ones, that are those of an earlier sweep, in which nothing counts
            as tried here.
    """

    number: int
    n: int
    observations: Observations
    pending: Points
    region: Region | None = None
    earlier: int = 0

    @property
    def known(self) -> Points:
        """Points that are trials of the sweep already; float64 [k, d]."""
        return np.concatenate([self.observations.points[self.earlier :], self.pending])


@dataclass(frozen=True, slots=True)
class Insight:
    """The knowledge that was gained on the way to a proposal.

    Attributes:
        region: The region of the likely optima.
        change: The change of the region since the proposal before, and its reason, in one sentence.
        shares: The share of the metric's variation that each hyperparameter accounts for; they sum to 1.
    """

    region: Region
    change: str
    shares: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Proposal:
    """Points to be tried.

    Attributes:
        number: The request's number.
        points: float64 [n, d] points in the unit cube; NaN where a hyperparameter is inactive.
        insight: The knowledge that was gained, by a proposer that models the results.
        seconds: Time that it took to make.
    """

    number: int
    points: Points
    insight: Insight | None = None
    seconds: float = field(default=0.0, compare=False)

    def to_json(self) -> dict[str, Any]:
        """The proposal as JSON values; NaN becomes None."""
        points = [[None if np.isnan(value) else value for value in point] for point in self.points.tolist()]
        fields: dict[str, Any] = {"number": self.number, "points": points, "seconds": self.seconds}
        if self.insight is not None:
            insight = self.insight
            fields |= {"region": insight.region.to_json(), "change": insight.change, "shares": dict(insight.shares)}
        return fields

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Proposal":
        """The proposal that `to_json` wrote."""
        points = np.array(fields["points"], np.float64)
        insight = None
        if "region" in fields:
            insight = Insight(Region.from_json(fields["region"]), fields["change"], fields["shares"])
        return cls(fields["number"], points, insight, fields["seconds"])


class Proposer(Protocol):
    """Chooses points from results."""

    def propose(self, request: Request) -> Proposal:
        """The proposal that a request asks for: a function of the request alone."""


class DesignProposer:
    """Proposes nothing: a proposal without points leaves them all to the controller's design."""

    def propose(self, request: Request) -> Proposal:
        """No points."""
        return Proposal(request.number, np.empty((0, request.pending.shape[1])))
