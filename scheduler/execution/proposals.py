"""Making the proposals that a controller asks for: beside the training, or at once where time is virtual."""

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace

from threadpoolctl import threadpool_limits

from ..core.proposers.proposal import DesignProposer, Proposal, Proposer, Request

_logger = logging.getLogger(__name__)


def make_proposal(proposer: Proposer, request: Request) -> Proposal:
    """The proposal that a request asks for; where that fails, one without points, which a design then fills.

    Linear algebra runs in one thread, so that the number of cores changes no digit of it.
    """
    began = time.perf_counter()
    try:
        with threadpool_limits(1):
            return replace(proposer.propose(request), seconds=time.perf_counter() - began)
    except Exception:
        _logger.exception("Proposal %d could not be made: points of the design take its place.", request.number)
        return DesignProposer().propose(request)


class Proposals:
    """The proposals of one run, made in a thread of their own; used by one thread.

    Args:
        proposer: Makes them; None makes proposals without points.
        at_once: True where `drain` waits for what was asked for.
    """

    def __init__(self, proposer: Proposer | None, *, at_once: bool = False) -> None:
        self._proposer, self._at_once = proposer or DesignProposer(), at_once
        self._thread = ThreadPoolExecutor(1, "proposals")
        self._asked: list[Future[Proposal]] = []

    def ask(self, request: Request) -> None:
        """Begins to make a proposal."""
        self._asked.append(self._thread.submit(make_proposal, self._proposer, request))

    def drain(self) -> Sequence[Proposal]:
        """The proposals that have been made since the last call."""
        if self._at_once:
            wait(self._asked)
        made = [future.result() for future in self._asked if future.done()]
        self._asked = [future for future in self._asked if not future.done()]
        return made

    def close(self) -> None:
        """Takes no more requests, and waits for no proposal."""
        self._thread.shutdown(wait=False, cancel_futures=True)
