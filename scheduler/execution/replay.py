"""Replaying a journal: a fresh state is taken through the recorded decisions and outcomes, and must decide the same."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ...search_spaces.values import cut, show
from ..core.assignment import Assignment, ErrorAction, Outcome, OutcomeStatus
from ..core.proposal import Proposal
from ..core.state import SweepState
from ..errors import JournalError, ReplayError

Events = Sequence[Mapping[str, Any]]
"""A journal, in order."""

_OF_PARTS = {"flushed", "repaired", "rewriting"}
"""Events that tell of files alone."""


_UNREADABLE = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What an event raises that holds other fields or values than Caviar writes."""


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


def replay(events: Events, state: SweepState, revise: Callable[[Mapping[str, Any]], None] | None = None) -> History:
    """Takes a fresh state to where the journal ends; work without an outcome is queued again.

    Args:
        events: The journal, in order.
        state: A state with a controller made from the spec that the sweep began with.
        revise: Has the state go on with the spec of an event of the type `edited`.

    Raises:
        ReplayError: The spec or the code decides something else than what was recorded, or an event is not one.
    """
    reached = 0

    def counted() -> Iterator[Mapping[str, Any]]:
        nonlocal reached
        for reached, event in enumerate(events):  # noqa: B007 - it tells where an error comes from
            yield event

    try:
        return _replay(counted(), state, revise)
    except JournalError as error:
        raise ReplayError(reached, str(error)) from error
    except _UNREADABLE as error:
        found = cut(" ".join(f"{type(error).__name__}: {error}".split()), 200)
        raise ReplayError(reached, f"The journal has an event that cannot be followed ({found}).") from error


def _replay(
    events: Iterable[Mapping[str, Any]], state: SweepState, revise: Callable[[Mapping[str, Any]], None] | None
) -> History:
    runs, seconds, began, last, reason = 0, 0.0, 0.0, 0.0, None
    for event in events:
        kind = event["type"]
        if kind == "opened":
            state.requeue()
            seconds += last - began
            runs, reason = runs + 1, None
            began = last = float(event["time"])
        elif kind == "decided":
            _redecide(event, state)
        elif kind == "proposed":
            state.accept(Proposal.from_json(event["proposal"]))
        elif kind == "ended":
            for outcome in event["outcomes"]:
                state.handle(_outcome(outcome))
            last = float(event.get("time", last))
        elif kind == "edited" and revise is not None:
            revise(event)
        elif kind == "closed":
            last, reason = float(event["time"]), event["reason"]
        elif kind not in _OF_PARTS:
            raise JournalError(
                f"The journal has an event of type {show(kind)}, which this version does not know: update Caviar."
            )
    state.requeue()
    return History(runs, seconds + last - began, reason)


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
