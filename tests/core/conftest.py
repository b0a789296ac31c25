"""What the tests of the core share: a driver that plays the workers, and the invariants that hold after every event."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import isfinite
from random import Random
from typing import Any
from zlib import crc32

import numpy as np
import pytest

from caviar.scheduler.core.controllers.revision import SpecRevision
from caviar.scheduler.core.proposers.proposal import Proposal, Proposer, Request
from caviar.scheduler.core.state import SweepState
from caviar.scheduler.core.trials.assignment import Assignment, Outcome, OutcomeStatus, split_groups
from caviar.scheduler.core.trials.goal import Mode
from caviar.scheduler.core.trials.trial import TrialRow, TrialState

Work = Callable[[Assignment], Outcome]
ENDED = {TrialState.STOPPED, TrialState.COMPLETED, TrialState.DIVERGED, TrialState.FAILED}


class InvariantChecker:
    """Looks at a state after each event, and at how it got there since the event before."""

    def __init__(self, state: SweepState, mode: str) -> None:
        self._state, self._mode = state, mode
        self._before: dict[int, TrialRow] = {}

    def __call__(self) -> None:
        rows, outstanding = self._state.rows, [work.trial for work in self._state.outstanding]
        assert [row.trial for row in rows] == sorted({row.trial for row in rows})
        assert len(outstanding) == len(set(outstanding))
        assert {row.trial for row in rows if row.state is TrialState.RUNNING} == set(outstanding)
        assert self._state.spent == sum(row.trained for row in rows)
        covered = self._state.covered()
        for row in rows:
            if row is not self._before.get(row.trial):
                assert covered[row.trial] >= row.step
                self._check_row(row)
        self._check_best(rows)
        if self._state.finished:
            assert not outstanding
            assert [row.trial for row in rows] == list(range(len(rows)))
            assert all(row.state in ENDED for row in rows)
        self._before = {row.trial: row for row in rows}

    def _check_row(self, row: TrialRow) -> None:
        before = self._before.get(row.trial)
        assert (row.best_value is None) == (row.best_step is None) == (row.rung == -1)
        assert row.value is None or isfinite(row.value)
        assert row.trained >= 0
        assert row.parent is None or 0 < row.parent.step <= self._state.row(row.parent.trial).step
        if row.state in {TrialState.FAILED, TrialState.DIVERGED}:
            assert row.value is None
            assert row.error is not None
        if before is None:
            return
        assert (row.config, row.seed, row.bracket) == (before.config, before.seed, before.bracket)
        assert row.parent == before.parent
        assert row.step >= before.step
        assert row.rung >= before.rung
        assert row.attempt >= before.attempt
        assert before.state not in ENDED or row == before

    def _check_best(self, rows: Sequence[TrialRow]) -> None:
        ranked = [row for row in rows if row.best_value is not None]
        sign = 1 if self._mode == "min" else -1
        expected = min(ranked, key=lambda row: (sign * (row.best_value or 0.0), row.trial), default=None)
        assert self._state.best == expected


def groups_of(assignments: Sequence[Assignment]) -> list[list[Assignment]]:
    """The assignments of each group; they stand together, and the group has the name of its lowest trial."""
    groups = split_groups(assignments)
    assert [group[0].group for group in groups] == [min(work.trial for work in group) for group in groups]
    return groups


class HashingProposer:
    """Points drawn from a hash of all that a request shows: whoever sees other results proposes other points."""

    def propose(self, request: Request) -> Proposal:
        seen, order = request.observations, np.lexsort(request.pending.T)
        shown = [request.number, request.n, seen.points, seen.resource, seen.loss, request.pending[order]]
        seed = crc32(b"".join(np.ascontiguousarray(part).tobytes() for part in shown))
        points = np.random.default_rng(seed).random((request.n, request.pending.shape[1]))
        return Proposal(request.number, np.minimum(points, 0.5))


class Advice:
    """Makes the proposals that a state wants, each after a while."""

    def __init__(self, state: SweepState, proposer: Proposer) -> None:
        self._state, self._proposer = state, proposer
        self._made: Proposal | None = None

    def __call__(self, *, now: bool) -> bool:
        """Asks for what is wanted and, when it is time, passes it on; whether it did."""
        if self._state.wanted is not None and self._made is None:
            self._made = self._proposer.propose(self._state.request())
        if self._made is None or not now:
            return False
        self._state.accept(self._made)
        self._made = None
        return True


@pytest.fixture(autouse=True)
def states(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[SweepState]]:
    """Every state that a test makes; whatever the test did with them, their invariants hold at its end."""
    made, modes = list[SweepState](), dict[int, Mode]()
    begin, revise = SweepState.__init__, SweepState.revise

    def begin_and_note(state: SweepState, controller: Any, mode: Mode, *rest: Any, **named: Any) -> None:
        begin(state, controller, mode, *rest, **named)
        made.append(state)
        modes[id(state)] = mode

    def revise_and_note(state: SweepState, revision: SpecRevision) -> None:
        revise(state, revision)
        modes[id(state)] = revision.mode

    with monkeypatch.context() as patch:
        patch.setattr(SweepState, "__init__", begin_and_note)
        patch.setattr(SweepState, "revise", revise_and_note)
        yield made
    for state in made:
        InvariantChecker(state, modes[id(state)])()


@pytest.fixture(scope="session")
def drive() -> Callable[..., list[TrialRow]]:
    """Runs a state to its end with workers that finish in a random order, checking the invariants at every event."""

    def run(
        state: SweepState,
        work: Work,
        workers: int = 1,
        order: int = 0,
        mode: str = "min",
        proposer: Proposer | None = None,
    ) -> list[TrialRow]:
        check, random, running = InvariantChecker(state, mode), Random(order), list[list[Assignment]]()
        advice = Advice(state, proposer or HashingProposer())
        while not state.finished:
            advice(now=random.random() < 0.5)
            groups = groups_of(state.decide(workers - len(running)))
            assert len(groups) <= workers - len(running)
            running += groups
            check()
            if not running and advice(now=True):
                continue
            assert running, "nothing runs and nothing is decided, but the sweep is not finished"
            group = running.pop(random.randrange(len(running)))
            for assignment in random.sample(group, len(group)):
                state.handle(work(assignment))
                check()
        assert state.decide(workers) == []
        return list(state.rows)

    return run


@pytest.fixture(scope="session")
def uneven_work() -> Callable[[float], Work]:
    """Work whose outcome is a function of trial, rung and attempt: some fail or diverge in their last step."""

    def make(trouble: float) -> Work:
        def work(assignment: Assignment) -> Outcome:
            draw = Random(f"{assignment.seed}-{assignment.rung}-{assignment.attempt}")
            fate, value = draw.random(), draw.choice([draw.random(), 0.5])
            outcome = Outcome(
                assignment.trial, assignment.rung, assignment.attempt, OutcomeStatus.COMPLETED, assignment.stop, value
            )
            if fate < trouble:
                return replace(outcome, status=OutcomeStatus.FAILED, value=None, error="it raised")
            if fate < 1.5 * trouble:
                return replace(outcome, status=OutcomeStatus.DIVERGED, value=None, error="val_loss is nan")
            return outcome

        return work

    return make


@pytest.fixture(scope="session")
def check_of() -> Callable[..., InvariantChecker]:
    """The invariants of one state, to be called after each event."""
    return lambda state, mode="min": InvariantChecker(state, mode)
