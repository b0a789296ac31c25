"""Names in one line, once, the resources that workers wait for and the cluster has not got."""

import logging
from collections.abc import Sequence
from time import monotonic

from ...core.placement.autoscaling import Node, lack_sentence
from ...core.placement.kinds import WorkerKind

_logger = logging.getLogger(__name__)

_AFTER_S = 5.0
"""Seconds that workers may have no place before it is said."""


class Shortage:
    """Watches for kinds of workers of which there are none, or not the number that the spec gives.

    Args:
        kinds: The kinds of workers.
    """

    def __init__(self, kinds: Sequence[WorkerKind]) -> None:
        self._kinds = kinds
        self._since: dict[int, float] = {}
        """The time since which a kind has been short."""
        self._told: set[int] = set()

    def note(self, wanted: Sequence[int], placed: Sequence[int], nodes: Sequence[Node]) -> None:
        """Takes note of how many workers there should be and how many have a place, by kind."""
        for kind, (should, have) in enumerate(zip(wanted, placed, strict=True)):
            if have >= should or (have and self._kinds[kind].count is None):
                self._since.pop(kind, None)
                self._told.discard(kind)
                continue
            since = self._since.setdefault(kind, monotonic())
            if kind not in self._told and monotonic() - since >= _AFTER_S:
                _logger.warning("%s", lack_sentence(self._kinds[kind], have, should, nodes))
                self._told.add(kind)
