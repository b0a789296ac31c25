"""The seam between training code and whatever runs it."""

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
            Exception: Whatever the training code raises.
        """

    @property
    def stateful(self) -> bool:
        """Whether `save` has anything to write now; asked before a folder is made for it."""

    def save(self, directory: Path) -> bool:
        """Writes the state after the last step into an existing empty directory.

        Returns:
            False when there is nothing that a later process could continue from.
        """

    def close(self) -> None:
        """Frees what the trial holds; nothing is called afterwards."""
