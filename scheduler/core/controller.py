"""The seam between what runs next and how it runs: results and proposals in, assignments and requests out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ...search_spaces import Value
from .bracket import Verdict
from .observations import Observations
from .proposal import Proposal, Request


@dataclass(frozen=True, slots=True)
class Start:
    """A trial that should be trained up to a rung.

    Attributes:
        trial: The trial's number.
        bracket: Its bracket.
        rung: Index of the rung.
        level: Resource at the rung, in steps.
        config: Its configuration.
        group: The lowest number of the trials that are trained together; its own when it is trained alone.
    """

    trial: int
    bracket: int
    rung: int
    level: int
    config: Mapping[str, Value]
    group: int


class Controller(Protocol):
    """Chooses trials and decides how far each is trained.

    A controller sees nothing but results and proposals: no clock, no workers, no files. The same calls in the same
    order make the same decisions, which is what lets a journal be replayed.
    """

    @property
    def finished(self) -> bool:
        """Whether no decision will follow any more, once all results are in."""

    def decide(self, free: int) -> list[Start]:
        """At most `free` groups of trials to train next, the trials of a group one after the other."""

    @property
    def wanted(self) -> int | None:
        """The number of the proposal that is wanted now, each one more than the last; None while none is."""

    def request(self) -> Request:
        """What the proposal that is wanted is to be made from."""

    def accept(self, proposal: Proposal) -> None:
        """Takes the proposal that was wanted."""

    def handle(self, trial: int, rung: int, loss: float) -> Verdict:
        """Takes a trial's result at a rung, to be minimised; infinite when it diverged or failed."""

    def promotable(self) -> set[int]:
        """The trials with a result that may be trained further: promoted and on their way, or not yet out of it."""

    def observations(self) -> Observations:
        """All results so far, without those of earlier sweeps."""
