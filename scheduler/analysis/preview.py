"""The effect of resuming a sweep: read from its directory, without training and without changing anything."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..core.controllers.schedule import BracketPlan
from ..core.state import SweepState
from ..core.trials.trial import TrialState
from ..lifecycle.edits import FieldEdit
from ..lifecycle.recorded import RecordedSweep
from ..results.migration import merged_types
from ..spec.spec import SweepSpec

_DONE = (TrialState.STOPPED, TrialState.COMPLETED, TrialState.DIVERGED, TrialState.FAILED)


@dataclass(frozen=True, slots=True)
class ResumePreview:
    """The work that a resumed sweep would do.

    Attributes:
        edits: The fields of the spec that have changed since the last run.
        states: Number of trials in each state that occurs, after the edits.
        done: Trials on which nothing more would be spent.
        pending: Trials that were started and go on.
        to_come: Trials that would be started; None where only the time is limited.
        opened: Brackets that were opened; those to come are numbered after them.
        brackets: The brackets that would be opened; None where only the time is limited.
        resource: Steps that would be trained, at most; None where only the time is limited.
        step_seconds: Time that a step took so far, in seconds; None before any was trained.
        seconds: Expected time of training, divided by the workers; None where it is not known.
        earlier_s: Seconds that the sweep's runs have taken.
        planned: All brackets of the sweep, those that were opened first; endless where only the time is limited.
    """

    edits: Sequence[FieldEdit]
    states: Mapping[str, int]
    done: int
    pending: int
    to_come: int | None
    opened: int
    brackets: Sequence[BracketPlan] | None
    resource: int | None
    step_seconds: float | None
    seconds: float | None
    earlier_s: float
    planned: Iterator[BracketPlan]


def preview_resume(recorded: RecordedSweep, spec: SweepSpec) -> ResumePreview:
    """The work that a sweep would do with a spec.

    Args:
        recorded: The sweep; its state goes on with the spec where that was edited.
        spec: The spec as `Sweep.resume` has it.

    Raises:
        InvalidSpecError: A field is changed that cannot change.
        JournalError: The journal cannot be trusted.
        ResultsError: A hyperparameter has values of another type than it had.
    """
    edits, history = recorded.check_edits(spec), recorded.history
    merged_types(recorded.directory, spec.search_space.value_types)
    state, _ = recorded.edit(spec)
    return _previewed(spec, state, edits, history.seconds)


def _previewed(spec: SweepSpec, state: SweepState, edits: Sequence[FieldEdit], earlier_s: float) -> ResumePreview:
    rows = state.rows
    states = Counter(row.state.value for row in rows)
    done = sum(states[ended.value] for ended in _DONE)
    trained, elapsed = sum(row.trained for row in rows), sum(row.elapsed_s for row in rows)
    step_seconds = elapsed / trained if trained else None
    brackets = list(state.coming()) if spec.ends else None
    to_come = resource = seconds = None
    if brackets is not None:
        to_come = sum(plan.trials for plan in brackets) + _unstarted(state)
        resource = sum(plan.cost for plan in brackets) + _unspent(state)
    if resource is not None and step_seconds is not None:
        seconds = resource * step_seconds / (spec.worker_count or 1)
    return ResumePreview(
        edits=edits,
        states=states,
        done=done,
        pending=len(rows) - done,
        to_come=to_come,
        opened=len(state.plans),
        brackets=brackets,
        resource=resource,
        step_seconds=step_seconds,
        seconds=seconds,
        earlier_s=earlier_s,
        planned=state.schedule(),
    )


def _unstarted(state: SweepState) -> int:
    """Trials of the brackets that are open which were not started yet."""
    started, plans = Counter(row.bracket for row in state.rows if row.parent is None), state.plans
    return sum(plans[number].trials - started[number] for number in state.unfinished)


def _unspent(state: SweepState) -> int:
    """Steps that the brackets that are open may still take."""
    spent: Counter[int] = Counter()
    for row in state.rows:
        spent[row.bracket] += row.trained
    plans = state.plans
    return sum(max(0, plans[number].cost - spent[number]) for number in state.unfinished)
