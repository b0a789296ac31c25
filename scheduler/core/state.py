"""The sweep as a state machine: outcomes in, assignments out, and the table of trials.

Controllers know trials, rungs and losses. This adds what every controller needs around them: attempts and retries,
work that was interrupted or lost with a crash, and the row that people read for each trial.
"""

from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf

from .controllers.bracket import RungDecision
from .controllers.controller import Controller, Suggestion
from .controllers.handover import hand_over
from .controllers.revision import SpecRevision
from .controllers.schedule import BracketPlan
from .proposers.observations import Observations
from .proposers.proposal import Insight, Proposal, Request
from .trials.assignment import Assignment, ErrorAction, Outcome, OutcomeStatus
from .trials.goal import Mode, sign_of
from .trials.seeds import derived_seed
from .trials.trial import Parent, TrialRow, TrialState


class SweepState:
    """Everything that a sweep has decided and learnt.

    Args:
        controller: Chooses trials and promotions.
        mode: Whether the metric is minimised or maximised.
        seed: The sweep's seed, from which each trial's seed is derived.
        max_failures: Number of times that a trial's work is started again after a failure, at least 0.
        max_preemptions: Number of times that a trial's work is started again after its worker's node was lost, at
            least 0; as often as that happens if None.
    """

    def __init__(
        self, controller: Controller, mode: Mode, seed: int, max_failures: int = 0, max_preemptions: int | None = None
    ) -> None:
        self._controller, self._seed, self._max_failures = controller, seed, max_failures
        self._max_preemptions = inf if max_preemptions is None else max_preemptions
        self._preemptions = Counter[int]()
        self._sign = sign_of(mode)
        self._rows: dict[int, TrialRow] = {}
        """The row of each trial as of its last outcome."""
        self._states: dict[int, TrialState] = {}
        """The state of each trial, which changes more often than the rest of its row."""
        self._reported: dict[int, int] = {}
        """The step up to which a trial has reported, in whichever attempt got furthest."""
        self._outstanding: dict[int, Assignment] = {}
        self._work: dict[int, int] = {}
        """The piece of work that a trial's assignment belongs to: what is trained together."""
        self._pieces = 0
        self._again: OrderedDict[int, list[Assignment]] = OrderedDict()
        """Work to be done again, by piece of work."""
        self._insights: dict[int, Insight] = {}
        self._current = 0
        """The number of the first proposal for the search as it is now."""
        self._best: tuple[float, int] | None = None
        """The best loss at any rung, and the trial that has it."""
        self._spent = 0

    @property
    def rows(self) -> Sequence[TrialRow]:
        """The table of trials, in the order of their numbers."""
        return [self.row(trial) for trial in sorted(self._rows)]

    @property
    def outstanding(self) -> Sequence[Assignment]:
        """The assignments that have been given out and have not ended."""
        return list(self._outstanding.values())

    @property
    def queued(self) -> Sequence[Assignment]:
        """The assignments that are to be given out again."""
        return [assignment for members in self._again.values() for assignment in members]

    @property
    def needed(self) -> set[int]:
        """The trials that are trained further, or may be."""
        return self._controller.promotable() | self._outstanding.keys() | {work.trial for work in self.queued}

    @property
    def parents(self) -> set[Parent]:
        """The checkpoints that trials begin from which are still to be started."""
        return {self._found(parent) for parent in self._controller.parents()}

    @property
    def best(self) -> TrialRow | None:
        """The trial with the best value at any rung; ties go to the lower number."""
        return None if self._best is None else self.row(self._best[1])

    @property
    def spent(self) -> int:
        """Steps trained, over all trials."""
        return self._spent

    @property
    def finished(self) -> bool:
        """True where nothing runs and nothing will be decided any more."""
        return not self._outstanding and not self._again and self._controller.finished

    @property
    def wanted(self) -> int | None:
        """The number of the proposal that the controller wants now; None while it wants none."""
        return self._controller.wanted

    @property
    def insights(self) -> Mapping[int, Insight]:
        """The insights on the way to each proposal, by the proposal's number, in order."""
        return self._insights

    def request(self) -> Request:
        """The inputs of the proposal that is wanted."""
        return self._controller.request()

    def accept(self, proposal: Proposal) -> None:
        """Takes the proposal that was wanted; any other is ignored."""
        if proposal.number != self._controller.wanted:
            return
        self._controller.accept(proposal)
        if proposal.insight is not None:
            self._insights[proposal.number] = proposal.insight

    @property
    def latest_insights(self) -> Mapping[int, Insight]:
        """The insights into the search as it is now, those after the last change of its space or its metric."""
        return {number: insight for number, insight in self._insights.items() if number >= self._current}

    @property
    def plans(self) -> Sequence[BracketPlan]:
        """The plans of the brackets that have been opened, by number."""
        return self._controller.plans

    def coming(self) -> Iterator[BracketPlan]:
        """The brackets that are still to be opened; endless where only the time is limited."""
        return self._controller.coming()

    def schedule(self) -> Iterator[BracketPlan]:
        """The brackets that have been opened and those that are still to be; endless where only time is limited."""
        return self._controller.schedule()

    @property
    def unfinished(self) -> Sequence[int]:
        """Numbers of the brackets that have been opened and are not finished."""
        return self._controller.unfinished

    def revise(self, revision: SpecRevision) -> None:
        """Goes on with another search, metric or number of failures; nothing may be outstanding."""
        rows, change = self.rows, revision.change
        proposal = 1 + max(self._insights, default=-1)
        handover = hand_over(self._controller, change, rows, proposal)
        self._controller = handover.controller
        self._sign, self._max_failures = sign_of(revision.mode), revision.max_failures
        if change.restated is not None or change.before.space != change.after.space:
            self._current = max(proposal, len(self._controller.plans))
        for row in rows:
            self._rows[row.trial] = replace(
                revision.restated(row), config={**handover.assumed.get(row.trial, {}), **row.config}
            )
        self._stop(handover.ended)
        self._states.update(dict.fromkeys(handover.waiting, TrialState.PAUSED))
        self._states.update(dict.fromkeys(handover.stopped, TrialState.STOPPED))
        self._find_best()

    def _stop(self, ended: Collection[int]) -> None:
        """Stops what has not ended of brackets that do not go on."""
        members = [[work for work in group if work.bracket not in ended] for group in self._again.values()]
        self._again = OrderedDict((piece, left) for piece, left in zip(self._again, members, strict=True) if left)
        for trial, row in self._rows.items():
            if row.bracket in ended and self._states[trial] in {TrialState.PENDING, TrialState.PAUSED}:
                self._states[trial] = TrialState.STOPPED

    def _find_best(self) -> None:
        """The best value at any rung, where values may be of another metric than they were."""
        values = [
            (self._sign * row.best_value, trial) for trial, row in self._rows.items() if row.best_value is not None
        ]
        self._best = min(values, default=None)

    def observations(self) -> Observations:
        """All results so far as points of the unit cube and losses."""
        return self._controller.observations()

    def row(self, trial: int) -> TrialRow:
        """The row of one trial."""
        row, state = self._rows[trial], self._states[trial]
        if row.state is not state:
            row = self._rows[trial] = row.moved(state)
        return row

    def demand(self) -> int:
        """Number of groups that could train at the same time, now or soon: a bound that shrinks as the sweep ends."""
        given = len({self._work[trial] for trial in self._outstanding}) + len(self._again)
        return given + self._controller.ahead(self._outstanding.keys() | {work.trial for work in self.queued})

    def decide(self, free: int) -> list[Assignment]:
        """The assignments of at most `free` groups: first work to be done again, then what the controller chooses.

        Returns:
            The assignments of a group one after the other.
        """
        again = [self._again.popitem(last=False)[1] for _ in range(min(free, len(self._again)))]
        assignments = [assignment for members in again for assignment in _grouped(members)]
        assignments += [self._assignment(suggestion) for suggestion in self._controller.decide(free - len(again))]
        group = None
        for assignment in assignments:
            trial = assignment.trial
            if assignment.group != group:
                group, piece = assignment.group, self._new_piece()
            self._outstanding[trial], self._work[trial] = assignment, piece
            self._states[trial] = TrialState.RUNNING
        return assignments

    def handle(self, outcome: Outcome) -> None:
        """Takes the outcome of an assignment; one of a superseded attempt is ignored."""
        assignment = self._outstanding.get(outcome.trial)
        if assignment is None or (assignment.rung, assignment.attempt) != (outcome.rung, outcome.attempt):
            return
        del self._outstanding[outcome.trial]
        self._reported[outcome.trial] = max(assignment.reported, outcome.step)
        if outcome.status is OutcomeStatus.INTERRUPTED:
            self._interrupt(assignment, outcome)
        elif outcome.status is OutcomeStatus.PREEMPTED:
            self._preempt(assignment, outcome)
        elif outcome.action is ErrorAction.STOP:
            self._start_again(assignment, outcome.error)
        elif self._retries(assignment, outcome):
            self._retry(assignment, outcome)
        else:
            self._finish(assignment, outcome)

    def requeue(self) -> None:
        """Puts every assignment that has not ended back in the queue: its workers are gone."""
        for trial, assignment in self._outstanding.items():
            self._again.setdefault(self._work[trial], []).append(assignment)
            self._states[trial] = TrialState.PENDING
        self._outstanding.clear()

    def go_on(self, trial: int, step: int) -> None:
        """Takes the reports of work that is to be done again into the sweep, up to a step from which it can go on."""
        for members in self._again.values():
            members[:] = [replace(work, reported=step) if work.trial == trial else work for work in members]
        self._reported[trial] = step

    def covered(self) -> dict[int, int]:
        """For each trial, the step up to which its reports are part of the sweep."""
        return {trial: self._reported.get(trial, row.begin) for trial, row in self._rows.items()}

    def _assignment(self, suggestion: Suggestion) -> Assignment:
        row = self._rows.get(suggestion.trial) or self._new_row(suggestion)
        return Assignment(
            suggestion.trial,
            row.config,
            row.seed,
            row.bracket,
            suggestion.rung,
            start=row.step,
            stop=suggestion.level,
            group=suggestion.group,
            attempt=row.attempt,
            reported=self._reported.get(suggestion.trial, row.begin),
            elapsed_s=row.elapsed_s,
            parent=row.parent,
        )

    def _new_row(self, suggestion: Suggestion) -> TrialRow:
        parent = None if suggestion.parent is None else self._found(suggestion.parent)
        seed = derived_seed(self._seed, suggestion.trial)
        row = TrialRow(suggestion.trial, suggestion.config, seed, TrialState.PENDING, suggestion.bracket, parent=parent)
        if parent is not None:
            row = replace(row, step=parent.step)
        self._rows[suggestion.trial], self._states[suggestion.trial] = row, row.state
        return row

    def _found(self, parent: Parent) -> Parent:
        """The place of a parent's checkpoint: a trial that ended by itself has it before the rung's level."""
        found = Parent(parent.trial, min(parent.step, self._rows[parent.trial].step))
        assert found.step > 0, "a trial that was compared has been trained"
        return found

    def _new_piece(self) -> int:
        self._pieces += 1
        return self._pieces

    def _interrupt(self, assignment: Assignment, outcome: Outcome) -> None:
        self._advance(assignment, outcome, TrialState.PENDING)
        row, reported = self._rows[assignment.trial], self._reported[assignment.trial]
        again = replace(assignment, start=outcome.step, reported=reported, elapsed_s=row.elapsed_s)
        self._again.setdefault(self._work[assignment.trial], []).append(again)

    def _preempt(self, assignment: Assignment, outcome: Outcome) -> None:
        self._preemptions[assignment.trial] += 1
        if self._preemptions[assignment.trial] <= self._max_preemptions:
            self._start_again(assignment, self._rows[assignment.trial].error)
        else:
            self._finish(assignment, replace(outcome, status=OutcomeStatus.FAILED))

    def _start_again(self, assignment: Assignment, error: str | None) -> None:
        """Queues the work again, with its group and as the same attempt: it did not fail by itself."""
        trial = assignment.trial
        again = replace(assignment, reported=self._reported[trial])
        self._again.setdefault(self._work[trial], []).append(again)
        self._rows[trial] = replace(self._rows[trial], error=error)
        self._states[trial] = TrialState.PENDING

    def _retries(self, assignment: Assignment, outcome: Outcome) -> bool:
        if outcome.status is not OutcomeStatus.FAILED or outcome.action is ErrorAction.FAIL:
            return False
        return assignment.attempt < self._max_failures

    def _retry(self, assignment: Assignment, outcome: Outcome) -> None:
        """Queues the work again, alone: a trial that kills its worker takes others with it once at most."""
        again = replace(assignment, attempt=assignment.attempt + 1, reported=self._reported[assignment.trial])
        self._again[self._new_piece()] = [again]
        row = self._rows[assignment.trial]
        self._rows[row.trial] = replace(row, attempt=again.attempt, error=outcome.error)
        self._states[row.trial] = TrialState.PENDING

    def _finish(self, assignment: Assignment, outcome: Outcome) -> None:
        """Passes a result on to the controller and writes down what it settles."""
        loss = inf
        if outcome.status is OutcomeStatus.COMPLETED:
            loss = outcome.loss(self._sign)
            self._advance(assignment, outcome, TrialState.PAUSED)
            self._note_best(assignment.trial)
        else:
            self._advance(assignment, outcome, TrialState(outcome.status.value))
        self._apply(self._controller.handle(assignment.trial, assignment.rung, loss))

    def _note_best(self, trial: int) -> None:
        value = self._rows[trial].best_value
        if value is not None and (self._best is None or (self._sign * value, trial) < self._best):
            self._best = self._sign * value, trial

    def _advance(self, assignment: Assignment, outcome: Outcome, state: TrialState) -> None:
        row, step = self._rows[assignment.trial], outcome.step
        rung, value, error = row.rung, outcome.value, outcome.error
        best_value, best_step = row.best_value, row.best_step
        if outcome.status is OutcomeStatus.COMPLETED:
            rung = assignment.rung
            if value is not None and (best_value is None or self._sign * value < self._sign * best_value):
                best_value, best_step = value, step
        elif outcome.status is OutcomeStatus.INTERRUPTED:
            value, error = row.value, row.error
        else:
            step = self._reported[row.trial]
        self._spent += step - row.step
        elapsed_s = row.elapsed_s + outcome.elapsed_s
        # Made at once rather than with `replace`, field by field: a simulation does this a million times.
        self._rows[row.trial] = TrialRow(
            row.trial,
            row.config,
            row.seed,
            state,
            row.bracket,
            rung,
            step,
            row.attempt,
            value,
            best_value,
            best_step,
            elapsed_s,
            error,
            row.parent,
        )
        self._states[row.trial] = state

    def _apply(self, decision: RungDecision) -> None:
        for trial, _ in decision.promoted:
            self._states[trial] = TrialState.PENDING
        for trial in decision.stopped:
            self._states[trial] = TrialState.STOPPED
        for trial in decision.completed:
            self._states[trial] = TrialState.COMPLETED


def _grouped(members: Sequence[Assignment]) -> list[Assignment]:
    """Assignments that are trained together again, under the name of those that are left."""
    group = min(assignment.trial for assignment in members)
    return [replace(assignment, group=group) for assignment in members]
