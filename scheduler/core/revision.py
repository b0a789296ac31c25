"""What a sweep goes on with after its spec was edited."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .change import Change
from .goal import Mode, sign_of
from .trial import TrialRow


@dataclass(frozen=True, slots=True)
class RungValue:
    """What a trial's metric was at a rung.

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
class Revision:
    """Everything of an edited spec that decisions depend on.

    Attributes:
        change: How the search changes.
        mode: Whether the metric is minimised or maximised from now on.
        max_failures: How often a trial's work is started again after a failure, at least 0.
        values: Where the metric or its mode is another one, the values at the rungs of each trial; else None.
    """

    change: Change
    mode: Mode
    max_failures: int
    values: Mapping[int, Sequence[RungValue]] | None = None

    def restated(self, row: TrialRow) -> TrialRow:
        """A trial's row with the values of the metric as it is now."""
        if self.values is None:
            return row
        values = self.values.get(row.trial, ())
        sign = sign_of(self.mode)
        best = min(values, key=lambda at: (sign * at.value, at.step), default=None)
        value = next((at.value for at in values if at.rung == row.rung), None)
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
        (trial, at.step, sign * (at.value if at.best is None else at.best)) for trial, of in values.items() for at in of
    ]
