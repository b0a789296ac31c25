"""Replaying a journal: a fresh state is taken through the recorded decisions and outcomes, and must decide the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ...search_spaces.values import cut, show
from ..core.proposers.proposal import Proposal
from ..core.state import SweepState
from ..core.trials.assignment import Assignment, ErrorAction, Outcome, OutcomeStatus
from ..errors import JournalError, ReplayError

Events = Sequence[Mapping[str, Any]]
"""A journal, in order."""

_OF_PARTS = {"flushed", "repaired", "rewriting"}
"""Events that tell of files alone."""


_UNREADABLE = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""Exceptions that an event raises where it holds other fields or values than Caviar writes."""


@dataclass(frozen=True, slots=True)
class History:
    """Facts that a journal tells beyond the state.

    Attributes:
        runs: Runs so far.
        seconds: Time that they took, as far as their last event tells.
        reason: The reason for the end of the last run; None when it was killed, or nothing ran yet.
    """

    runs: int = 0
    seconds: float = 0.0
    reason: str | None = None


Revise = Callable[[Mapping[str, Any]], None]
"""Has a state go on with the spec of an event of the type `edited`."""


class Replayer:
    """Takes a fresh state through a journal, as far as it is there and then as it grows.

    Args:
        state: A state with a controller made from the spec that the sweep began with.
        revise: Has the state go on with an edited spec.
    """

    def __init__(self, state: SweepState, revise: Revise | None = None) -> None:
        self._state, self._revise = state, revise
        self._followed = self._runs = 0
        self._seconds = self._began = self._last = 0.0
        self._reason: str | None = None

    @property
    def history(self) -> History:
        """The journal so far, beyond the state."""
        return History(self._runs, self._seconds + self._last - self._began, self._reason)

    def follow(self, events: Events) -> None:
        """Takes the state through the next events.

        Args:
            events: The events after those that it has followed already.

        Raises:
            ReplayError: The spec or the code decides something else than the journal records, or an event is not one.
        """
        for event in events:
            try:
                self._take(event)
            except JournalError as error:
                raise ReplayError(self._followed, str(error)) from error
            except _UNREADABLE as error:
                found = cut(" ".join(f"{type(error).__name__}: {error}".split()), 200)
                message = f"The journal has an event that cannot be followed ({found})."
                raise ReplayError(self._followed, message) from error
            self._followed += 1

    def _take(self, event: Mapping[str, Any]) -> None:
        state = self._state
        kind = event["type"]
        if kind == "opened":
            state.requeue()
            self._seconds += self._last - self._began
            self._runs, self._reason = self._runs + 1, None
            self._began = self._last = float(event["time"])
        elif kind == "decided":
            _redecide(event, state)
        elif kind == "proposed":
            state.accept(Proposal.from_json(event["proposal"]))
        elif kind == "ended":
            for outcome in event["outcomes"]:
                state.handle(_outcome(outcome))
            self._last = float(event.get("time", self._last))
        elif kind == "edited" and self._revise is not None:
            self._revise(event)
        elif kind == "closed":
            self._last, self._reason = float(event["time"]), event["reason"]
        elif kind not in _OF_PARTS:
            raise JournalError(
                f"The journal has an event of type {show(kind)}, which this version does not know: update Caviar."
            )


def replay(events: Events, state: SweepState, revise: Revise | None = None) -> History:
    """Takes a fresh state to where the journal ends; work without an outcome is queued again.

    Args:
        events: The journal, in order.
        state: A state with a controller made from the spec that the sweep began with.
        revise: Has the state go on with an edited spec.

    Raises:
        ReplayError: The spec or the code decides something else than the journal records, or an event is not one.
    """
    replayer = Replayer(state, revise)
    replayer.follow(events)
    state.requeue()
    return replayer.history


def _outcome(fields: Mapping[str, Any]) -> Outcome:
    action = fields.get("action")
    enums = {"status": OutcomeStatus(fields["status"]), "action": None if action is None else ErrorAction(action)}
    return Outcome(**{**fields, **enums})


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
        if recorded is not None:
            _compare_parents(work, event.get("parents", {}).get(str(work.trial)))


def _compare_parents(work: Assignment, recorded: Sequence[int] | None) -> None:
    decided = None if work.parent is None else [work.parent.trial, work.parent.step]
    if decided != recorded:
        raise JournalError(
            f"The journal says that trial {work.trial} begins from {show(recorded)}, trial and step of a checkpoint,"
            f" where this spec begins it from {show(decided)}:"
            " resume with the spec and the versions that wrote it (see sweep.yaml)."
        )


def _trials(assignments: Sequence[Sequence[int]]) -> str:
    return ", ".join(show(assignment[0]) for assignment in assignments[:10]) or "none"
