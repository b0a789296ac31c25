"""A worker that waits for storage which cannot be written: the trial that wants to be saved is not to blame for it."""

import time
from collections.abc import Callable, Generator, Sequence
from threading import Event
from typing import TypeVar

from ...errors import ObjectStoreError
from ...storage import Location, is_outage, outage_words, pauses
from .trial_cache import OpenTrial

Errors = list[BaseException | None]
_Read = TypeVar("_Read")
_Result = TypeVar("_Result")
Turns = Generator[float, None, _Result]
"""Work that gives way: it yields the seconds after which it is to go on; 0 only lets others have a look at it."""


class StorageWait:
    """Saves trials, again and again while the storage cannot be written; `reason` may be read from another thread.

    Args:
        directory: The sweep's directory.
        paused: Set when work is to end, which ends the wait.
        clock: Seconds on the clock by which the worker's time is counted.
    """

    def __init__(self, directory: Location, paused: Event, clock: Callable[[], float] = time.perf_counter) -> None:
        self._directory, self._paused, self._clock = directory, paused, clock
        self.reason: str | None = None
        """The thing that cannot be written, and why; None while nobody waits."""
        self._waited_s = 0.0

    def waited(self) -> float:
        """Seconds that were waited since this was asked last."""
        waited, self._waited_s = self._waited_s, 0.0
        return waited

    def to_blame(self, error: BaseException) -> bool:
        """True where it is the storage that is to blame for an error."""
        return is_outage(error, self._directory)

    def read(self, read: Callable[[], _Read]) -> Turns[_Read]:
        """Reads something, again and again while the storage cannot be reached, or until work is to end.

        Raises:
            OSError: Work is to end, and it could not be read before.
            ObjectStoreError: The same in an object store.
        """
        try:
            for pause in pauses():
                try:
                    return read()
                except (OSError, ObjectStoreError) as error:
                    if not self.to_blame(error) or self._paused.is_set():
                        raise
                    yield from self._wait(error, pause)
            raise AssertionError("there is always another pause")
        finally:
            self.reason = None

    def save(self, save: Callable[[Sequence[OpenTrial]], Errors], trials: Sequence[OpenTrial]) -> Turns[Errors]:
        """Saves trials, those for which there was no room again and again until there is, or until work is to end.

        Args:
            save: Saves trials and returns the error of each.
            trials: The trials.

        Returns:
            The error of each; None where it is saved.
        """
        errors = save(trials)
        try:
            for pause in pauses():
                left = [place for place, error in enumerate(errors) if error is not None and self.to_blame(error)]
                if not left or self._paused.is_set():
                    return errors
                yield from self._wait(errors[left[0]], pause)
                again = save([trials[place] for place in left])
                for place, error in zip(left, again, strict=True):
                    errors[place] = error
            raise AssertionError("there is always another pause")
        finally:
            self.reason = None

    def _wait(self, error: BaseException | None, pause: float) -> Turns[None]:
        self.reason = outage_words(error)
        began = self._clock()
        yield pause
        self._waited_s += self._clock() - began
