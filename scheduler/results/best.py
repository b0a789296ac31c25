"""The best trial of a sweep."""

from collections.abc import Mapping
from dataclasses import dataclass

from ...search_spaces import Value
from ..storage.checkpoints import Checkpoints
from ..storage.directory import SweepDirectory
from ..storage.location import Location


@dataclass(frozen=True, slots=True)
class Best:
    """The best trial of a sweep.

    Attributes:
        trial: Its number.
        config: Its configuration: plain Python values, inactive names absent.
        value: The best value of the sweep's metric.
        step: The step at which it had that value.
        checkpoint: The directory of its saved state at that step; None when it was not kept.
    """

    trial: int
    config: Mapping[str, Value]
    value: float
    step: int
    checkpoint: Location | None


def kept_checkpoint(directory: Location | None, trial: int, step: int) -> Location | None:
    """The directory of a trial's saved state at a step, if there is one; `directory` is the sweep's."""
    if directory is None:
        return None
    checkpoints = Checkpoints.of(SweepDirectory(directory))
    return checkpoints.path(trial, step) if checkpoints.exists(trial, step) else None
