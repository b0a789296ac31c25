"""Limits the frequency of an action that takes longer the larger a sweep is."""

from math import inf


class Throttle:
    """Says when something is due again: after an interval, but so that it never takes more than a share of the time.

    Args:
        interval_s: Seconds between two times, above 0.
        share: The most of all time that it may take, above 0 and below 1.
    """

    def __init__(self, interval_s: float, share: float) -> None:
        self._interval_s, self._share = interval_s, share
        self._next = -inf

    def due(self, now: float) -> bool:
        """True where it is time.

        Args:
            now: Seconds on any clock that is always the same.
        """
        return now >= self._next

    def done(self, now: float, took_s: float) -> None:
        """Notes that the work was done.

        Args:
            now: The time at which it was begun, on that clock.
            took_s: Seconds that it took.
        """
        self._next = now + max(self._interval_s, took_s / self._share)
