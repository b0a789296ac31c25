"""The trial that training code receives."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..search_spaces import Value
from .randomness import seed_generators
from .tracking import TrackedObjects


class Trial:
    """One configuration to train, as a training function or a trainer class receives it.

    Attributes:
        number: The trial's number in its sweep, from 0.
        config: The configuration; the names of inactive hyperparameters are absent.
        seed: The trial's own seed, below 2**32.
        resource_max: The last step that this trial can reach.
        step: The last finished step; above 0 from the start when the trial continues from a checkpoint.
        current: The step that `steps` handed out last; None before.
        data: The file or folder that the spec names as `data`; None when it names none.
        target: The column that the spec names as `target`; None when it names none.
    """

    __slots__ = ("_tracked", "config", "current", "data", "number", "resource_max", "seed", "step", "target")

    def __init__(  # noqa: PLR0913 each is one fact of the trial, and all but the configuration go by name
        self,
        config: Mapping[str, Value],
        *,
        number: int = 0,
        seed: int = 0,
        resource_max: int = 1,
        step: int = 0,
        tracked: TrackedObjects | None = None,
        data: Path | None = None,
        target: str | None = None,
    ) -> None:
        self.config: dict[str, Any] = dict(config)
        self.number = number
        self.seed = seed
        self.resource_max = resource_max
        self.step = step
        self.current: int | None = None
        self.data = data
        self.target = target
        self._tracked = TrackedObjects() if tracked is None else tracked

    def track(self, **objects: object) -> None:
        """Names the objects that are the trial's state: restored here when it continues, saved at each pause.

        Args:
            **objects: Anything with `state_dict` and `load_state_dict` (modules, optimizers, schedulers), random
                generators, numpy arrays and torch tensors that are changed in place, and dicts and lists of plain
                values that are changed in place.

        Raises:
            TrainerError: An object cannot be saved, or the checkpoint does not fit it.
        """
        for name, tracked in objects.items():
            self._tracked.add(name, tracked)

    def steps(self) -> Iterator[int]:
        """The steps that are left, from the one after the restored step up to `resource_max`.

        Before each step the global generators of `random`, numpy and torch are seeded from the trial's seed and the
        step, so that a trial that was paused and restored sees the numbers it would have seen without the pause.
        """
        for number in range(self.step + 1, self.resource_max + 1):
            self.current = number
            seed_generators(self.seed, number)
            yield number
            self.step = number
