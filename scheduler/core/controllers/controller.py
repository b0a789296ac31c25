"""The seam between what runs next and how it runs: results and proposals in, assignments and requests out."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from ....search_spaces import Value
from ..proposers.observations import Observations
from ..proposers.proposal import Proposal, Request
from ..trials.trial import Parent
from .bracket import RungDecision
from .schedule import BracketPlan

MOST_AHEAD = 1000
"""More groups are not counted: where only the time is limited, there is no end of them."""
Result = tuple[int, int, float]
"""The result of a trial: its number, the resource in steps, and its loss."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A trial that should be trained up to a rung.

    Attributes:
        trial: The trial's number.
        bracket: Its bracket.
        rung: Index of the rung.
        level: Resource at the rung, in steps.
        config: Its configuration.
        group: The lowest number of the trials that are trained together; its own when it is trained alone.
        parent: The other trial whose checkpoint a new trial begins from, and the level of the rung at which that other
            one was compared; None where the new trial begins anew.
    """

    trial: int
    bracket: int
    rung: int
    level: int
    config: Mapping[str, Value]
    group: int
    parent: Parent | None = None


class Controller(Protocol):
    """Chooses trials and decides how far each is trained.

    A controller sees nothing but results and proposals: no clock, no workers, no files. The same calls in the same
    order make the same decisions, which is what lets a journal be replayed.
    """

    @property
    def finished(self) -> bool:
        """True where no decision will follow any more, once all results are in."""

    def decide(self, free: int) -> list[Suggestion]:
        """At most `free` groups of trials to train next, the trials of a group one after the other."""

    @property
    def wanted(self) -> int | None:
        """The number of the proposal that is wanted now, each one more than the last; None while none is."""

    def request(self) -> Request:
        """The inputs of the proposal that is wanted."""

    def accept(self, proposal: Proposal) -> None:
        """Takes the proposal that was wanted."""

    def handle(self, trial: int, rung: int, loss: float) -> RungDecision:
        """Takes a trial's result at a rung, to be minimised; infinite when it diverged or failed."""

    def promotable(self) -> set[int]:
        """The trials with a result that may be trained further: promoted and on their way, or not yet out of it."""

    def parents(self) -> Set[Parent]:
        """The checkpoints that trials begin from which are still to be started, in the form of `Suggestion.parent`."""

    def ahead(self, busy: Set[int]) -> int:
        """Number of groups that may be trained now or soon beside those that were given out, at most `MOST_AHEAD`.

        Args:
            busy: The trials that were given out.
        """

    def observations(self) -> Observations:
        """All results so far, without those of earlier sweeps."""

    def results(self) -> list[Result]:
        """All results so far with the trials that have them."""

    @property
    def plans(self) -> Sequence[BracketPlan]:
        """The plans of the brackets that have been opened, by number."""

    def coming(self) -> Iterator[BracketPlan]:
        """The brackets that are still to be opened, without opening them; endless where only the time is limited."""

    def schedule(self) -> Iterator[BracketPlan]:
        """The brackets that have been opened and those still to be; endless where only the time is limited."""

    @property
    def unfinished(self) -> Sequence[int]:
        """Numbers of the brackets that have been opened and are not finished."""

    @property
    def reserved(self) -> int:
        """The number after those of all trials of the brackets that are not finished, started or not."""

    def retire(self) -> None:
        """Opens no more brackets: what is begun is finished, and another controller follows."""

    def end(self, ended: Mapping[int, BracketPlan]) -> None:
        """Ends brackets now: nothing of them is started any more, whatever they still wait for.

        Args:
            ended: By the numbers of the brackets, what came of their plans.
        """
