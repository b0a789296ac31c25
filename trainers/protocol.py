"""The seam between training code and whatever runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Training(Protocol):
    """A trial that is open in a worker: trained step by step, saved at pauses, kept warm in between."""

    def begin(self, stop: int) -> None:
        """Announces that the next calls of `step` train up to step `stop` and then pause."""

    def step(self) -> dict[str, float] | None:
        """Trains one step.

        Returns:
            The metrics of the step, or None when the training has ended by itself.

        Raises:
            TrainerError: The training code breaks a rule of its form.
            Exception: Any error that the training code raises.
        """

    @property
    def stateful(self) -> bool:
        """True where `save` has anything to write now; asked before a folder is made for it."""

    def save(self, directory: Path) -> bool:
        """Writes the state after the last step into an existing empty directory.

        Returns:
            False when there is nothing that a later process could continue from.
        """

    def close(self) -> None:
        """Frees what the trial holds; nothing is called afterwards."""


class FusedTrainings(Protocol):
    """Open trials of one shape that are trained as one batched model until they are parted; each is a lane."""

    def step(self) -> list[dict[str, float] | None]:
        """Trains every lane one step.

        Returns:
            The metrics of each lane that is left, in the order in which they were given; None for one that has ended
            by itself.

        Raises:
            Exception: Any error that the training code raises; no lane has then a state that can be used.
        """

    def keep(self, lanes: Sequence[int]) -> None:
        """Compacts to some lanes; the others are parted.

        Args:
            lanes: Positions in what `step` returned last, ascending.
        """

    def part(self) -> None:
        """Gives each training its own state again; nothing is called afterwards."""


@dataclass(frozen=True, slots=True)
class Fusing:
    """The trials of a trainer that can be trained as one model: those of equal static hyperparameters.

    A hyperparameter with float values varies freely inside a group, any other one is static, but for these.

    Attributes:
        static: Names that are static although their values are floats.
        varying: Names that may differ although their values are not floats.
        padded: Widths, which may differ because narrower models are padded with zeros; the trials of a group are
            chosen to have similar ones.
    """

    static: tuple[str, ...] = ()
    varying: tuple[str, ...] = ()
    padded: tuple[str, ...] = ()
