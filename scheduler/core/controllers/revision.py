"""The change of a search whose spec was edited, and the results that it goes on with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ....search_spaces import Value
from ..trials.goal import Mode, sign_of
from ..trials.trial import TrialRow
from .controller import Result
from .registry import SearchConfig


@dataclass(frozen=True, slots=True)
class SearchChange:
    """A change of the search that a sweep goes on with.

    Attributes:
        before: The search so far.
        after: The search from now on; its `prior` is of other sweeps alone.
        assumed: Values of hyperparameters, for the trials that did not have them.
        restated: All finite results so far, where they are of another metric or mode from now on; else None.
    """

    before: SearchConfig
    after: SearchConfig
    assumed: Mapping[str, Value] = field(default_factory=dict)
    restated: Sequence[Result] | None = None

    @property
    def nothing(self) -> bool:
        """True where decisions are made as before."""
        return self.restated is None and _alike(self.before, self.after)

    @property
    def budget_alone(self) -> bool:
        """True where nothing but the budget changes."""
        return self.restated is None and _alike(self.before, replace(self.after, budget=self.before.budget))

    @property
    def ends_all(self) -> bool:
        """True where no open bracket can be finished as it was begun."""
        return self.restated is not None or self.before.resource.max != self.after.resource.max


def _alike(one: SearchConfig, other: SearchConfig) -> bool:
    return replace(one, prior=None, own=0) == replace(other, prior=None, own=0)


@dataclass(frozen=True, slots=True)
class RungValue:
    """The metric of a trial at a rung.

    Attributes:
        rung: The rung's index.
        step: The step at which the trial was compared.
        value: The value, finite.
        best: The best one up to there; `value` where nobody says.
    """

    rung: int
    step: int
    value: float
    best: float | None = None


@dataclass(frozen=True, slots=True)
class SpecRevision:
    """Everything of an edited spec that decisions depend on.

    Attributes:
        change: The change to the search.
        mode: Whether the metric is minimised or maximised from now on.
        max_failures: Number of times that a trial's work is started again after a failure, at least 0.
        values: The values at the rungs of each trial, where the metric or its mode is another one; else None.
    """

    change: SearchChange
    mode: Mode
    max_failures: int
    values: Mapping[int, Sequence[RungValue]] | None = None

    def restated(self, row: TrialRow) -> TrialRow:
        """A trial's row with the values of the metric as it is now."""
        if self.values is None:
            return row
        values = self.values.get(row.trial, ())
        sign = sign_of(self.mode)
        best = min(values, key=lambda one: (sign * one.value, one.step), default=None)
        value = next((one.value for one in values if one.rung == row.rung), None)
        return replace(
            row,
            value=None if row.value is None else value,
            best_value=None if best is None else best.value,
            best_step=None if best is None else best.step,
        )


def results_of(values: Mapping[int, Sequence[RungValue]], mode: Mode) -> list[tuple[int, int, float]]:
    """The best values up to rungs as results: trial, resource, and a loss to be minimised."""
    sign = sign_of(mode)
    return [
        (trial, one.step, sign * (one.value if one.best is None else one.best))
        for trial, rungs in values.items()
        for one in rungs
    ]
