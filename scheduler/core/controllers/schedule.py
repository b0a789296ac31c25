"""The brackets that a sweep runs: the width of each, the resources at which it compares, and where the budget ends it.

A bracket of kind s starts n trials at resource R / eta**s and keeps 1/eta of them at each rung (Hyperband: Li et al.,
JMLR 18 (2018), algorithm 1). Everything here is arithmetic on the spec: no result of a trial changes a schedule, so the
numbers of trials and brackets are the same in every run of a spec.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle, repeat


@dataclass(frozen=True, slots=True)
class Resource:
    """The resource that a trial may consume, in whole steps of `unit`.

    Attributes:
        min: The lowest rung at which trials may be compared, at least 1.
        max: The full resource R of a trial, at least `min`.
        eta: The reduction factor, at least 2.
        unit: The name of a step.
    """

    min: int
    max: int
    eta: int = 3
    unit: str = "epoch"

    @property
    def widest_kind(self) -> int:
        """The largest s with R / eta**s >= min."""
        kind = 0
        while self.max >= self.min * self.eta ** (kind + 1):
            kind += 1
        return kind

    def levels(self, kind: int) -> tuple[int, ...]:
        """The kind + 1 resources at which a bracket of this kind compares; the last is `max`."""
        return tuple(self.max // self.eta**power for power in range(kind, -1, -1))


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of a sweep's spending; None is no limit. The sweep ends at the first limit that it meets.

    Attributes:
        trials: Number of trials.
        resource: Steps over all trials.
    """

    trials: int | None = None
    resource: int | None = None

    def less(self, *brackets: "BracketPlan") -> "Budget":
        """The budget that is left after brackets; less than nothing where they need more."""
        return Budget(
            None if self.trials is None else self.trials - sum(bracket.trials for bracket in brackets),
            None if self.resource is None else self.resource - sum(bracket.cost for bracket in brackets),
        )

    @property
    def overdrawn(self) -> bool:
        """True where less than nothing is left."""
        return (self.trials or 0) < 0 or (self.resource or 0) < 0


@dataclass(frozen=True, slots=True)
class BracketPlan:
    """One bracket before any result: its rungs and how many trials reach each.

    Attributes:
        levels: Resource of each rung, in steps, increasing.
        sizes: Trials at each rung, at most 1/eta of the rung before.
    """

    levels: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def trials(self) -> int:
        """Trials that start."""
        return self.sizes[0]

    @property
    def cost(self) -> int:
        """Steps over all trials, when promoted trials go on from where they paused."""
        starts = (0, *self.levels)
        return sum(size * (stop - start) for size, start, stop in zip(self.sizes, starts, self.levels, strict=False))


Shape = tuple[int, int]
"""A bracket's kind s and the number of trials that it starts."""


def bracket_plan(resource: Resource, shape: Shape) -> BracketPlan:
    """The bracket of a kind that starts n trials.

    A bracket with fewer than eta**kind trials could not promote one to the full resource: it gets the widest kind
    that it fills.
    """
    kind, trials = shape
    while resource.eta**kind > trials:
        kind -= 1
    sizes = tuple(trials // resource.eta**rung for rung in range(kind + 1))
    return BracketPlan(resource.levels(kind), sizes)


def hyperband_trials(resource: Resource, kind: int) -> int:
    """Hyperband's number of trials in a bracket of kind s: ceil((s_max + 1) / (s + 1) * eta**s)."""
    share: int = -(-(resource.widest_kind + 1) * resource.eta**kind // (kind + 1))
    return share


def hyperband_shapes(resource: Resource) -> Iterator[Shape]:
    """Hyperband's endless cycle from the widest kind to full resource without halving."""
    while True:
        for kind in range(resource.widest_kind, -1, -1):
            yield kind, hyperband_trials(resource, kind)


def coarse_to_fine_shapes(resource: Resource) -> Iterator[Shape]:
    """An endless alternation of the widest kind and the next narrower one that halves, which begins.

    The narrower bracket costs less and compares later: the sweep has results to learn from, and a first good
    configuration, after fewer steps. The widest then looks at many proposals, and each of the two is the hedge for
    problems on which the other's first rung misleads.
    """
    widest = resource.widest_kind
    for kind in cycle((max(widest - 1, min(widest, 1)), widest)):
        yield kind, hyperband_trials(resource, kind)


def full_resource_shapes(trials: int) -> Iterator[Shape]:
    """Endless brackets without halving, of a number of trials each."""
    return repeat((0, trials))


def schedule(resource: Resource, shapes: Iterator[Shape], budget: Budget) -> Iterator[BracketPlan]:
    """The brackets that fit the budget, in order; the last one is cut down to what is left."""
    for shape in shapes:
        plan = _fit(resource, shape, budget)
        if plan is None:
            return
        yield plan
        budget = budget.less(plan)


def _fit(resource: Resource, shape: Shape, budget: Budget) -> BracketPlan | None:
    kind, trials = shape
    if budget.trials is not None:
        trials = min(trials, budget.trials)
    while trials > 0:
        plan = bracket_plan(resource, (kind, trials))
        if budget.resource is None or plan.cost <= budget.resource:
            return plan
        trials -= 1
    return None


def asha_plan(resource: Resource, budget: Budget) -> BracketPlan | None:
    """The one bracket of asynchronous halving: the most trials that the budget is enough for, None where that is none.

    Without a limit it is the smallest bracket that has all rungs, whose trials go on and on.
    """
    kind = resource.widest_kind
    smallest = bracket_plan(resource, (kind, resource.eta**kind))
    if budget == Budget():
        return smallest
    trials = budget.trials
    if budget.resource is not None:
        # Rounding down at the rungs makes a bracket cheaper than its share of whole ones, by less than another of them.
        most = budget.resource * smallest.trials // smallest.cost + smallest.trials
        trials = most if trials is None else min(trials, most)
    assert trials is not None, "a budget that is not empty limits trials or resource"
    return _fit(resource, (kind, trials), budget)


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep before it runs.

    Attributes:
        brackets: The brackets, in order.
        resource: The trials' resource.
        seconds: Expected time from the first assignment to the last outcome; None when a step's cost is unknown.
    """

    brackets: tuple[BracketPlan, ...]
    resource: Resource
    seconds: float | None = None

    @property
    def trials(self) -> int:
        """Trials over all brackets."""
        return sum(bracket.trials for bracket in self.brackets)

    @property
    def cost(self) -> int:
        """Steps over all brackets."""
        return sum(bracket.cost for bracket in self.brackets)

    def lasting(self, seconds: float) -> "Plan":
        """The same plan with its expected time."""
        return replace(self, seconds=seconds)

    def busy(self, workers: int, step_seconds: float) -> float | None:
        """The share of that time that workers train, in [0, 1]; None where the time is unknown or 0."""
        return self.cost * step_seconds / (self.seconds * workers) if self.seconds else None
