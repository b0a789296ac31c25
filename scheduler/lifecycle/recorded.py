"""A sweep as its directory tells it, and the state in which a sweep begins."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ...search_spaces import CaviarError
from ...search_spaces.values import show
from ..core.controllers.registry import make_controller
from ..core.controllers.revision import RungValue, SearchChange, SpecRevision, results_of
from ..core.proposers.observations import Observations
from ..core.state import SweepState
from ..errors import JournalError, ReplayError
from ..spec.spec import SweepSpec
from ..storage import JournalReader, Location, SweepDirectory
from .edits import FieldEdit, check_edits, edited_event
from .prior import carried_prior, saved_prior
from .replay import Events, History, Replayer

_WITH_SPEC = ("opened", "edited")
"""Events that hold the spec that the sweep goes on with."""


def new_state(spec: SweepSpec, prior: Observations | None = None) -> SweepState:
    """The state of a sweep before its first decision.

    Args:
        spec: The spec.
        prior: Results of an earlier sweep, to learn from; none if None.
    """
    search = replace(spec.search, prior=prior)
    return SweepState(make_controller(search), spec.mode, spec.seed, spec.max_failures, spec.max_preemptions)


def load_spec(directory: Location) -> SweepSpec:
    """The spec in a sweep's directory.

    Raises:
        SweepError: There is no sweep.
    """
    return RecordedSweep(SweepDirectory(directory)).written


class RecordedSweep:
    """A sweep as its directory tells it: read, parsed and replayed once, then followed as it grows. Reads only.

    Args:
        directory: The sweep's directory.
        events: Its journal, where somebody has read it: nothing more is read then, and a `ReplayError` says which event
            cannot be followed. Read from the directory if None.
        written: The spec in sweep.yaml, where somebody has read it.
    """

    def __init__(
        self, directory: SweepDirectory, *, events: Events | None = None, written: SweepSpec | None = None
    ) -> None:
        self.directory = directory
        self._reader = JournalReader(directory.journal) if events is None else None
        self._events: list[Mapping[str, Any]] | None = None
        self._spec_events: list[Mapping[str, Any]] = []
        """The events that hold a spec."""
        self._written = written
        self._parsed: dict[str, SweepSpec] = {}
        """The specs by their texts: most runs of a sweep have the same."""
        self._state: SweepState | None = None
        self._replayer: Replayer | None = None
        self._ahead = False
        """True where the state has left the journal, so that it can follow nothing but the start of another run."""
        if events is not None:
            self._add(events)

    @property
    def events(self) -> Events:
        """The journal, in order, as far as it was read."""
        if self._events is None:
            _ = self.written  # before all else: without it there is no sweep
            self.advance()
        assert self._events is not None, "reading fills it"
        return self._events

    @property
    def runs(self) -> int:
        """Runs that the journal has."""
        return 0 if self._reader is None else self._reader.runs

    @property
    def written(self) -> SweepSpec:
        """The spec in sweep.yaml, which the next run is to have.

        Raises:
            SweepError: There is no sweep.
            InvalidSpecError: It is no spec.
        """
        if self._written is None:
            text = self.directory.spec_text()
            self._written = self._parsed.get(text) or SweepSpec.from_yaml(text, str(self.directory.spec))
            self._parsed[text] = self._written
        return self._written

    @property
    def first(self) -> SweepSpec:
        """The spec that the sweep began with; sweep.yaml's where the journal does not tell."""
        return next(self._specs(), None) or self.written

    @property
    def last(self) -> SweepSpec | None:
        """The spec of the last run; None where the journal does not tell."""
        return self.spec_of(self._spec_events[-1]["spec"]) if self.events and self._spec_events else None

    @property
    def spec(self) -> SweepSpec:
        """The spec of the last run; sweep.yaml's where the journal does not tell."""
        return self.last or self.written

    @property
    def value_types(self) -> dict[str, str]:
        """The value types of all hyperparameters that the sweep ever had."""
        types: dict[str, str] = {}
        for spec in (*self._specs(), self.spec):
            types.update(spec.search_space.value_types)
        return types

    @property
    def state(self) -> SweepState:
        """The state at the end of the journal as read: work that was given out and has not ended is outstanding.

        Raises:
            JournalError: The replay cannot follow the journal; the message names the file and the line and what to do.
            ResultsError: The results of the earlier sweep that it starts from are not there any more.
        """
        if self._state is None:
            events, first = self.events, self.first
            state = new_state(first, saved_prior(self.directory, first))
            self._replayer = Replayer(state, _Reviser(state, first, self))
            self._follow(events)
            self._state, self._ahead = state, False
        return self._state

    @property
    def history(self) -> History:
        """The journal's runs, as far as it was read; for the errors see `state`."""
        _ = self.state
        assert self._replayer is not None, "it is made with the state"
        return self._replayer.history

    def replay(self) -> SweepState:
        """The state that a resumed sweep begins with, in which work without an outcome is queued again.

        Raises:
            JournalError: As `state` does.
            ResultsError: As `state` does.
        """
        state = self.state
        state.requeue()
        self._ahead = True
        return state

    def advance(self) -> Events:
        """Reads the new events of the journal, and takes the state through them.

        Returns:
            The new events; all of them where the earlier ones are not there any more.

        Raises:
            JournalError: The journal cannot be trusted, or the replay cannot follow it.
        """
        if self._reader is None:
            return ()
        if self._events is not None:
            self._written = None  # somebody may have edited it
        try:
            new = self._reader.read()
        except JournalError:
            if not self._events:
                raise
            self._events = self._state = None  # it was repaired, or put back from a copy
            new = self._reader.read()
        self._add(new)
        if new and self._ahead:
            self._state = self._state if new[0].get("type") == "opened" else None
            self._ahead = False
        if self._state is not None:
            self._follow(new)
        return new

    def repair_tail(self) -> None:
        """Puts the end of the journal in order, as only the process that holds the lock may."""
        if self._reader is not None:
            self._reader.repair_tail()

    def begin_with(self, spec: SweepSpec) -> None:
        """Takes the spec to begin with, for a sweep whose journal does not tell of any."""
        self._written, self._state = spec, None

    def check_edits(self, spec: SweepSpec) -> list[FieldEdit]:
        """The fields in which a spec differs from that of the last run, where the sweep can go on with all of them.

        Raises:
            InvalidSpecError: A field cannot change; one sentence for each.
        """
        return check_edits(self.spec, spec, self.directory)

    def edit(self, spec: SweepSpec) -> tuple[SweepState, Mapping[str, Any] | None]:
        """Has the state that `replay` gave go on with another spec; from then on it is the caller's alone.

        Args:
            spec: The spec from now on.

        Returns:
            The state, and the journal's line for the edits without its time; None where nothing was edited.

        Raises:
            InvalidSpecError: A field cannot change, or not every trial has the new metric wherever it was compared.
            JournalError: The journal cannot be trusted.
        """
        ran, state, event = self.spec, self.replay(), None
        if self.check_edits(spec):
            event = edited_event(ran, spec, state, self.directory)
            _Reviser(state, self.first, self, ran)(event)
        self._state = None
        return state, event

    def spec_of(self, text: object) -> SweepSpec:
        """The spec in an event of the journal.

        Raises:
            JournalError: It is none.
        """
        if not isinstance(text, str):
            raise JournalError(f"The journal has an event whose spec is {show(text)}, which is no text.")
        if text not in self._parsed:
            try:
                self._parsed[text] = SweepSpec.from_yaml(text, "the journal")
            except CaviarError as error:
                raise JournalError(f"The journal has an event with a spec that cannot be used: {error}") from error
        return self._parsed[text]

    def _specs(self) -> Iterator[SweepSpec]:
        """The specs that the sweep ever had, in order."""
        _ = self.events
        return (self.spec_of(event["spec"]) for event in self._spec_events)

    def _add(self, events: Events) -> None:
        if self._events is None:
            self._events, self._spec_events = [], []
        self._events += events
        self._spec_events += [event for event in events if event.get("type") in _WITH_SPEC and "spec" in event]

    def _follow(self, events: Events) -> None:
        assert self._replayer is not None, "it is made with the state"
        try:
            self._replayer.follow(events)
        except ReplayError as error:
            self._state = None
            if self._reader is None:
                raise
            path, line = self._reader.place(error.event)
            todo = f"What can be repaired: caviar doctor {self.directory.path}"
            raise JournalError(f"{path}, line {line}: {error} {todo}") from error


class _Reviser:
    """Has a state go on with the spec of an `edited` event, one such event after the other.

    Args:
        state: The state, made for the first spec.
        first: The spec that the sweep began with.
        sweep: The sweep, which parses specs.
        spec: The spec that the state has; the first one if None.
    """

    def __init__(
        self, state: SweepState, first: SweepSpec, sweep: RecordedSweep, spec: SweepSpec | None = None
    ) -> None:
        self._state, self._first, self._sweep = state, first, sweep
        self._spec = spec or first

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Takes the next event."""
        new, values = self._sweep.spec_of(event["spec"]), None
        if "values" in event:
            values = {int(trial): [RungValue(*rung) for rung in found] for trial, found in event["values"].items()}
        after = replace(new.search, prior=carried_prior(self._sweep.directory, self._first, new))
        restated = None if values is None else results_of(values, new.mode)
        change = SearchChange(self._spec.search, after, new.assume, restated)
        self._state.revise(SpecRevision(change, new.mode, new.max_failures, values))
        self._spec = new
