"""What changes where the spec of a sweep is edited: the search before and after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...search_spaces import Value
from .controller import Result
from .controllers import Search


@dataclass(frozen=True, slots=True)
class Change:
    """What a sweep goes on with.

    Attributes:
        before: The search so far.
        after: The search from now on; its `prior` is of other sweeps alone.
        assumed: Values of hyperparameters, for the trials that did not have them.
        restated: All finite results so far, where they are of another metric or mode from now on; else None.
    """

    before: Search
    after: Search
    assumed: Mapping[str, Value] = field(default_factory=dict)
    restated: Sequence[Result] | None = None

    @property
    def nothing(self) -> bool:
        """Whether decisions are made as before."""
        return self.restated is None and _alike(self.before, self.after)

    @property
    def budget_alone(self) -> bool:
        """Whether nothing but the budget changes."""
        return self.restated is None and _alike(self.before, replace(self.after, budget=self.before.budget))

    @property
    def ends_all(self) -> bool:
        """Whether no open bracket can be finished as it was begun."""
        return self.restated is not None or self.before.resource.max != self.after.resource.max


def _alike(one: Search, other: Search) -> bool:
    return replace(one, prior=None, own=0) == replace(other, prior=None, own=0)
