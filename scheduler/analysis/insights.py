"""Findings of a sweep's search, in the sentences that people read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from ...search_spaces import SearchSpace
from ..core.proposers.exploration import ENOUGH_RESULTS
from ..core.proposers.proposal import Insight
from ..core.state import SweepState
from ..core.trials.goal import sign_of
from ..spec.spec import SweepSpec
from .boundaries import BoundaryWarning, boundary_warnings
from .wording import describe_region, describe_shares


@dataclass(frozen=True, slots=True)
class SearchSummary:
    """Findings of the search by now.

    Attributes:
        looking: The place where points are chosen, in one line.
        why: The change with the last proposal, and its reason, in one line; None before the first.
        matters: Importance of each hyperparameter, in one line; None before the first.
        proposal: The last proposal's number, which is its bracket's; None before the first.
        insight: The findings on the way to it.
    """

    looking: str
    why: str | None = None
    matters: str | None = None
    proposal: int | None = None
    insight: Insight | None = None


def summarize_search(spec: SweepSpec, state: SweepState) -> SearchSummary:
    """Findings of the search, by the last proposal of the state."""
    if not state.latest_insights:
        return SearchSummary(_before_the_first(spec, state))
    number = max(state.latest_insights)
    insight = state.latest_insights[number]
    kind = "bracket" if spec.controller.kind.waits else "proposal"
    return SearchSummary(
        describe_region(spec.search_space, insight.region),
        f"{kind} {number}: {insight.change}",
        describe_shares(insight.shares),
        number,
        insight,
    )


def state_warnings(spec: SweepSpec, state: SweepState) -> tuple[str, ...]:
    """Facts that a person should know of the ranges that were given, by the trials so far."""
    sign = sign_of(spec.mode)
    ranked = sorted(
        (sign * row.best_value, row.trial, row.config)
        for row in state.rows
        if row.best_value is not None and isfinite(row.best_value)
    )
    shares = state.latest_insights[max(state.latest_insights)].shares if state.latest_insights else None
    return _warnings(boundary_warnings(spec.search_space, [config for _, _, config in ranked], shares))


def results_warnings(
    space: SearchSpace, trials: Iterable[Mapping[str, Any]], regions: Iterable[Mapping[str, Any]]
) -> tuple[str, ...]:
    """Warnings about the ranges that were given, by a sweep's results.

    Args:
        space: The search space.
        trials: The trials as `trial_rows` gives them, the best first.
        regions: The rows of the results' regions.
    """
    shares = {row["hyperparameter"]: row["importance"] for row in regions}
    ranked = [row["config"] for row in trials if row["best_value"] is not None]
    return _warnings(boundary_warnings(space, ranked, shares))


def _warnings(found: Sequence[BoundaryWarning]) -> tuple[str, ...]:
    return tuple(map(str, found))


def _before_the_first(spec: SweepSpec, state: SweepState) -> str:
    """The place of points that no model chooses, and the results that a model waits for."""
    if spec.controller.kind.points is not None:
        return f"{spec.controller.kind.points}; results do not change them"
    if not spec.search.learns:
        return "points are laid evenly over the whole space; results do not change them"
    if spec.proposer_name != "model":
        return f"points are chosen by {spec.proposer_name} from results"
    missing = ENOUGH_RESULTS - state.observations().finite
    if state.finished:
        return "points were laid evenly over the whole space: no model chose any"
    if missing > 0:
        return f"points are laid evenly over the whole space; a model takes over after {missing} more results"
    return "points are laid evenly over the whole space; a model chooses the next ones"
