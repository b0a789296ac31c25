"""The loop: decide, execute, record, handle, until the budget is spent or someone asks it to stop."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from caviar.scheduler.core.controllers.registry import SearchConfig, make_controller
from caviar.scheduler.core.controllers.schedule import Budget, Resource
from caviar.scheduler.core.state import SweepState
from caviar.scheduler.core.trials.assignment import Assignment, Outcome, OutcomeStatus
from caviar.scheduler.core.trials.trial import TrialState
from caviar.scheduler.execution.executor import Updates
from caviar.scheduler.execution.interrupts import Interrupts
from caviar.scheduler.execution.loop import SweepLoop
from caviar.scheduler.execution.record import MemoryRecord
from caviar.scheduler.execution.simulated import Config, SimulatedExecutor
from caviar.scheduler.execution.snapshot import RunSnapshot, StopReason
from caviar.scheduler.results import ReportTable
from caviar.search_spaces import SearchSpace, Uniform

SPACE = SearchSpace({"x": Uniform(0.0, 1.0)})


def new_state(trials: int | None = 12, resource_max: int = 9) -> SweepState:
    search = SearchConfig(SPACE, Resource(1, resource_max, 3), Budget(trials=trials), 0, "hyperband")
    return SweepState(make_controller(search), "min", 0)


def curve(config: Config, seed: int) -> list[float]:
    draw = Random(seed)
    return [draw.random() for _ in range(9)]


def executor(workers: int = 2) -> SimulatedExecutor:
    return SimulatedExecutor(curve, "loss", workers)


class ListeningRecord(MemoryRecord):
    """A record in memory that keeps in which order it was called."""

    def __init__(self) -> None:
        super().__init__(ReportTable(SPACE.value_types, "loss", "min"))
        self.calls: list[str] = []
        self.reason: StopReason | None = None

    def decided(self, free: int, assignments: Sequence[Assignment]) -> None:
        self.calls.append("decided")
        super().decided(free, assignments)

    def commit(self, now: float) -> Sequence[Outcome]:
        self.calls.append("commit")
        return super().commit(now)

    def tabulate(self, state: SweepState) -> None:
        self.calls.append("tabulate")

    def close(self, state: SweepState, reason: StopReason) -> None:
        self.calls.append("close")
        self.reason = reason


def test_a_sweep_runs_until_its_budget_is_spent() -> None:
    state, record = new_state(), ListeningRecord()
    assert SweepLoop(state, executor(), record, Interrupts()).run() is StopReason.FINISHED
    assert state.finished
    assert len(state.rows) == 12
    assert record.reason is StopReason.FINISHED
    assert record.calls[-1] == "close"


def test_no_worker_is_free_while_work_can_be_given_out() -> None:
    state, workers = new_state(trials=9), executor(3)
    SweepLoop(state, workers, ListeningRecord(), Interrupts()).run()
    # 9 x 1, 3 x 2 and 1 x 6 steps: three workers need 3 + 2 + 6 seconds, and no schedule is shorter.
    assert workers.now() == pytest.approx(11.0)


def test_a_decision_is_noted_before_it_is_carried_out() -> None:
    record = ListeningRecord()

    class CheckingExecutor(SimulatedExecutor):
        def start(self, assignments: Sequence[Assignment]) -> None:
            assert record.calls[-1] == "decided"
            record.calls.append("start")
            super().start(assignments)

    SweepLoop(new_state(), CheckingExecutor(curve, "loss", 2), record, Interrupts()).run()
    assert record.calls.count("start") == record.calls.count("decided") > 0


def test_an_outcome_is_handled_only_after_it_was_committed() -> None:
    class LateRecord(ListeningRecord):
        """Commits nothing until all workers wait for it."""

        def due(self, now: float, *, idle: bool) -> bool:
            assert all(row.state is TrialState.RUNNING for row in state.rows if row.step == 0)
            return workers.capacity() == 3 and super().due(now, idle=idle)

    state, workers = new_state(trials=9), executor(3)
    assert SweepLoop(state, workers, LateRecord(), Interrupts()).run() is StopReason.FINISHED
    assert state.finished


def test_the_table_of_trials_is_written_each_ten_seconds() -> None:
    record, workers = ListeningRecord(), executor(1)
    SweepLoop(new_state(), workers, record, Interrupts()).run()
    written = record.calls.count("tabulate")
    assert workers.now() / 10 - 2 <= written <= workers.now() / 10 + 1


def test_a_request_to_stop_ends_the_run_after_what_is_running_was_interrupted(tmp_path: Path) -> None:
    state, record, stop = new_state(), ListeningRecord(), tmp_path / "stop"
    moments: list[RunSnapshot] = []

    def observe(snapshot: RunSnapshot) -> None:
        moments.append(snapshot)
        if snapshot.elapsed_s >= 4:
            stop.touch()

    reason = SweepLoop(state, executor(), record, Interrupts(stop), observe=observe).run()
    assert reason is record.reason is StopReason.INTERRUPTED
    assert not state.finished
    assert not state.outstanding
    assert {row.state for row in state.rows} <= {TrialState.PENDING, TrialState.PAUSED, TrialState.STOPPED}
    assert moments[-1].stopping
    assert moments[-1].elapsed_s <= 5


def test_a_request_that_comes_before_the_start_starts_next_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "stop").touch()
    state = new_state()
    assert (
        SweepLoop(state, executor(), ListeningRecord(), Interrupts(tmp_path / "stop")).run() is StopReason.INTERRUPTED
    )
    assert state.spent <= 2


def test_a_sweep_that_is_finished_when_the_request_comes_is_finished(tmp_path: Path) -> None:
    state = new_state(trials=1, resource_max=1)
    stop = tmp_path / "stop"
    stop.touch()
    assert SweepLoop(state, executor(), ListeningRecord(), Interrupts(stop)).run() is StopReason.FINISHED


def test_a_budget_of_hours_ends_an_endless_search_on_time() -> None:
    state, workers, record = new_state(trials=None), executor(), ListeningRecord()
    assert SweepLoop(state, workers, record, Interrupts(), seconds=100.0).run() is StopReason.OUT_OF_TIME
    assert 100.0 <= workers.now() <= 106.0
    assert not state.outstanding
    assert record.reason is StopReason.OUT_OF_TIME
    assert 150 <= state.spent <= 200


def test_a_run_without_time_left_trains_nothing_to_its_end() -> None:
    state = new_state(trials=None)
    assert SweepLoop(state, executor(), ListeningRecord(), Interrupts(), seconds=-5.0).run() is StopReason.OUT_OF_TIME
    assert state.spent <= 2


def test_an_observer_sees_the_sweep_twice_a_second_at_most_and_at_the_end() -> None:
    seen: list[tuple[float, int]] = []

    def observe(snapshot: RunSnapshot) -> None:
        assert snapshot.workers == 2
        assert not snapshot.stopping
        seen.append((snapshot.elapsed_s, snapshot.state.spent))

    state = new_state()
    SweepLoop(state, executor(), ListeningRecord(), Interrupts(), observe=observe).run()
    times = [time for time, _ in seen]
    assert all(later - earlier >= 0.5 for earlier, later in pairwise(times[:-1]))
    assert seen[-1][1] == state.spent


def test_a_sweep_goes_on_without_an_observer_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[RunSnapshot] = []

    def observe(snapshot: RunSnapshot) -> None:
        calls.append(snapshot)
        raise ZeroDivisionError("in the person's own observer")

    reason = SweepLoop(new_state(), executor(), ListeningRecord(), Interrupts(), observe=observe).run()
    assert reason is StopReason.FINISHED
    assert len(calls) == 1
    assert "goes on unobserved" in caplog.text
    assert "own observer" in caplog.text


@pytest.mark.parametrize("status", [OutcomeStatus.FAILED, OutcomeStatus.DIVERGED])
def test_a_sweep_in_which_every_trial_goes_wrong_ends_all_the_same(status: OutcomeStatus) -> None:
    def broken(config: Config, seed: int) -> list[float]:
        return [] if status is OutcomeStatus.FAILED else [float("inf")]

    state = new_state()
    workers = SimulatedExecutor(broken, "loss", 2)
    assert SweepLoop(state, workers, ListeningRecord(), Interrupts()).run() is StopReason.FINISHED
    assert {row.state.value for row in state.rows} == {status.value}
    assert state.best is None


def test_outcomes_that_arrive_together_are_handled_in_their_order(work: Callable[..., Assignment]) -> None:
    record, handled = ListeningRecord(), list[int]()

    class ListeningState(SweepState):
        def handle(self, outcome: Outcome) -> None:
            handled.append(outcome.trial)
            super().handle(outcome)

    class BatchingExecutor(SimulatedExecutor):
        def wait(self, timeout: float) -> Updates:
            update = [super(BatchingExecutor, self).wait(timeout) for _ in range(3)]
            return Updates(update[0].reports, [outcome for one in update for outcome in one.outcomes])

    search = SearchConfig(SPACE, Resource(9, 9), Budget(trials=3), 0, "random")
    state = ListeningState(make_controller(search), "min", 0)
    SweepLoop(state, BatchingExecutor(curve, "loss", 3), record, Interrupts()).run()
    assert handled == [0, 1, 2]


class FullRecord(ListeningRecord):
    """A record on a disk that is full for a while: from the first commit on, until it was tried some times."""

    def __init__(self, tries: int) -> None:
        super().__init__()
        self.tries = tries
        self._full = False

    @property
    def waiting(self) -> str | None:  # type: ignore[override]
        return "the disk is full" if self._full else None

    @property
    def writable(self) -> bool:
        return not self._full

    def commit(self, now: float) -> Sequence[Outcome]:
        self._full = self.tries > 0
        self.tries -= 1
        return [] if self._full else super().commit(now)

    def decided(self, free: int, assignments: Sequence[Assignment]) -> None:
        assert self.writable, "nothing is decided that cannot be recorded"
        super().decided(free, assignments)


def test_while_nothing_can_be_recorded_nothing_is_decided_and_afterwards_all_is_as_ever() -> None:
    undisturbed, state, record = new_state(), new_state(), FullRecord(tries=30)
    moments: list[str | None] = []
    SweepLoop(undisturbed, executor(), ListeningRecord(), Interrupts()).run()
    loop = SweepLoop(state, executor(), record, Interrupts(), observe=lambda snapshot: moments.append(snapshot.waiting))
    assert loop.run() is StopReason.FINISHED
    assert {row.trial: row.value for row in state.rows} == {row.trial: row.value for row in undisturbed.rows}
    assert "the disk is full" in moments
    assert moments[-1] is None


def test_a_request_to_stop_ends_a_wait_for_storage_that_would_never_end(tmp_path: Path) -> None:
    (tmp_path / "stop").touch()
    state, record = new_state(), FullRecord(tries=10**9)
    assert SweepLoop(state, executor(), record, Interrupts(tmp_path / "stop")).run() is StopReason.INTERRUPTED
    assert record.reason is None, "the end could not be recorded"
