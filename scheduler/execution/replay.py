"""Replaying a journal: a fresh state is taken through the recorded decisions and outcomes, and must decide the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ...search_spaces.values import cut, show
from ..core.assignment import Outcome, OutcomeStatus
from ..core.proposal import Proposal
from ..core.state import SweepState
from ..errors import JournalError


@dataclass(frozen=True, slots=True)
class History:
    """What a journal tells beyond the state.

    Attributes:
        runs: Runs so far.
        seconds: Time that they took, as far as their last event tells.
        reason: Why the last run ended; None when it was killed, or nothing ran yet.
    """

    runs: int = 0
    seconds: float = 0.0
    reason: str | None = None


def replay(events: Sequence[Mapping[str, Any]], state: SweepState) -> History:
    """Takes a fresh state to where the journal ends; work without an outcome is queued again.

    Args:
        events: The journal, in order.
        state: A state with a controller made from the same spec.

    Raises:
        JournalError: The spec or the code decides something else than what was recorded.
    """
    history = _Replay(state)
    for number, event in enumerate(events, start=1):
        try:
            history.take(event)
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, AssertionError) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise JournalError(
                f"Event {number} of the journal cannot be replayed ({cut(reason, 200)}): resume with the spec and the"
                " versions that wrote it (see sweep.yaml), or put the journal back from a copy."
            ) from error
    state.requeue()
    return history.history()


class _Replay:
    """A state on its way through a journal, and what else the events tell."""

    def __init__(self, state: SweepState) -> None:
        self._state = state
        self._runs, self._seconds, self._began, self._last = 0, 0.0, 0.0, 0.0
        self._reason: str | None = None

    def history(self) -> History:
        return History(self._runs, self._seconds + self._last - self._began, self._reason)

    def take(self, event: Mapping[str, Any]) -> None:
        kind = event["type"]
        if kind == "opened":
            self._state.requeue()
            self._seconds += self._last - self._began
            self._runs, self._reason = self._runs + 1, None
            self._began = self._last = float(event["time"])
        elif kind == "decided":
            _redecide(event, self._state)
        elif kind == "proposed":
            self._state.accept(Proposal.from_json(event["proposal"]))
        elif kind == "ended":
            for outcome in event["outcomes"]:
                self._state.handle(Outcome(**{**outcome, "status": OutcomeStatus(outcome["status"])}))
            self._last = float(event.get("time", self._last))
        elif kind == "closed":
            self._last, self._reason = float(event["time"]), event["reason"]
        else:
            raise JournalError(
                f"The journal has an event of type {show(kind)}, which this version does not know: update Caviar."
            )


def _redecide(event: Mapping[str, Any], state: SweepState) -> None:
    assignments = state.decide(event["free"])
    decided = [[work.trial, work.rung, work.attempt] for work in assignments]
    if decided != event["assignments"]:
        raise JournalError(
            f"The journal says that trials {_trials(event['assignments'])} were started where this spec starts"
            f" {_trials(decided)}: resume with the spec and the version that wrote it (see sweep.yaml)."
        )
    for work in assignments:
        recorded = event["configs"].get(str(work.trial))
        if recorded is not None and orjson.dumps(recorded) != orjson.dumps(dict(work.config)):
            raise JournalError(
                f"The journal says that trial {work.trial} is {show(recorded)} where this spec makes it"
                f" {show(dict(work.config))}:"
                " resume with the spec and the versions that wrote it (see sweep.yaml)."
            )


def _trials(assignments: Sequence[Sequence[int]]) -> str:
    return ", ".join(show(assignment[0]) for assignment in assignments[:10]) or "none"
