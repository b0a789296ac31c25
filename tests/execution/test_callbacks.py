"""Callbacks: told what is durable, in order and once, and never in the way of the sweep."""

import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Condition, Event, current_thread, main_thread
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from caviar.scheduler.core.controllers.registry import SearchConfig, make_controller
from caviar.scheduler.core.controllers.schedule import Budget, Resource
from caviar.scheduler.core.proposers.proposal import Proposal
from caviar.scheduler.core.state import SweepState
from caviar.scheduler.core.trials.assignment import Assignment, Outcome, OutcomeStatus
from caviar.scheduler.core.trials.reports import ReportBatch
from caviar.scheduler.execution import callbacks
from caviar.scheduler.execution.callbacks import Callback, Callbacks, RunStart
from caviar.scheduler.execution.executor import Updates
from caviar.scheduler.execution.interrupts import Interrupts
from caviar.scheduler.execution.loop import SweepLoop
from caviar.scheduler.execution.record import DurableRecord, MemoryRecord
from caviar.scheduler.execution.simulated import Config, SimulatedExecutor
from caviar.scheduler.execution.snapshot import StopReason
from caviar.scheduler.results import ReportTable, ReportWriter
from caviar.scheduler.storage import Journal, SweepDirectory, read_journal
from caviar.search_spaces import SearchSpace, Uniform

Work = Callable[..., Assignment]
SPACE = SearchSpace({"x": Uniform(0.0, 1.0)})


def new_state(trials: int = 12) -> SweepState:
    search = SearchConfig(SPACE, Resource(1, 9, 3), Budget(trials=trials), 0, "hyperband")
    return SweepState(make_controller(search), "min", 0)


def curve(config: Config, seed: int) -> list[float]:
    return [float(str(config["x"])) / step for step in range(1, 10)]


def record_of(directory: SweepDirectory, told: Callbacks) -> DurableRecord:
    journal, types = Journal.open(directory.journal), SPACE.value_types
    journal.append({"type": "opened", "time": 0.0, "versions": {}})
    return DurableRecord(directory, journal, ReportWriter(directory, types, "loss"), types, callbacks=told)


def run(directory: SweepDirectory, *told: Callback, most: int = 10**6) -> SweepState:
    """Runs a sweep of 12 trials with a real record on the disk."""
    state, record = new_state(), record_of(directory, Callbacks(told, RunStart(directory.path), most))
    try:
        reason = SweepLoop(state, SimulatedExecutor(curve, "loss", 2), record, Interrupts()).run()
        assert reason is StopReason.FINISHED
    finally:
        record.release()
    return state


class Listener(Callback):
    """Keeps what it is told, by the name of the method."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self._heard = Condition()

    def _keep(self, name: str, what: Any) -> None:
        assert current_thread() is not main_thread()
        with self._heard:
            self.told.append((name, what))
            self._heard.notify_all()

    def await_told(self, count: int) -> None:
        """Waits until it has been told so many things."""
        with self._heard:
            assert self._heard.wait_for(lambda: len(self.told) >= count, timeout=60)

    def on_run_start(self, run: RunStart) -> None:
        self._keep("start", run)

    def on_assignments(self, assignments: Sequence[Assignment]) -> None:
        self._keep("assignments", assignments)

    def on_proposal(self, proposal: Proposal) -> None:
        self._keep("proposal", proposal)

    def on_reports(self, reports: ReportBatch) -> None:
        self._keep("reports", reports)

    def on_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        self._keep("outcomes", outcomes)

    def on_run_end(self, reason: StopReason | None) -> None:
        self._keep("end", reason)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.told]

    def of(self, name: str) -> list[Any]:
        return [what for said, what in self.told if said == name]


class Blocked(Listener):
    """Is at its first report until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.go_on = Event(), Event()

    def on_reports(self, reports: ReportBatch) -> None:
        self.reached.set()
        self.go_on.wait()
        super().on_reports(reports)


class Raising(Listener):
    """Has a mistake in it."""

    def on_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        super().on_outcomes(outcomes)
        raise ZeroDivisionError("in the person's own callback")


@pytest.fixture
def blocked() -> Iterator[Blocked]:
    one = Blocked()
    yield one
    one.go_on.set()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a run does not wait long for callbacks."""
    monkeypatch.setattr(callbacks, "_PATIENCE_S", 2.0)


def batch(trial: int, steps: Sequence[int]) -> ReportBatch:
    n = len(steps)
    short, long = np.zeros(n, np.int32), np.zeros(n, np.int64)
    return ReportBatch(short + trial, short, long, long, np.array(steps), long, np.ones(n), {"loss": np.ones(n)})


def completed(work: Assignment) -> Outcome:
    return Outcome(work.trial, work.rung, work.attempt, OutcomeStatus.COMPLETED, work.stop, 0.5, 1.0)


def durable_rows(directory: SweepDirectory) -> set[tuple[int, int]]:
    """Trial and step of each report that stands in a closed part."""
    tables = [pq.read_table(path, columns=["trial", "step"]) for path in sorted(directory.results.iterdir())]
    return {(row["trial"], row["step"]) for table in tables for row in table.to_pylist()}


class Witness(Callback):
    """Looks at the disk whenever it is told something, and keeps what is not there."""

    def __init__(self, directory: SweepDirectory) -> None:
        self.directory, self.looked = directory, 0
        self.missing: list[object] = []

    def _events(self, kind: str) -> list[dict[str, Any]]:
        self.looked += 1
        return [dict(event) for event in read_journal(self.directory.journal) if event["type"] == kind]

    def on_run_start(self, run: RunStart) -> None:
        if not self._events("opened"):
            self.missing.append(run)

    def on_assignments(self, assignments: Sequence[Assignment]) -> None:
        decided = [tuple(one) for event in self._events("decided") for one in event["assignments"]]
        self.missing += [one for one in assignments if (one.trial, one.rung, one.attempt) not in decided]

    def on_reports(self, reports: ReportBatch) -> None:
        rows = zip(reports.trial.tolist(), reports.step.tolist(), strict=True)
        self.missing += set(rows) - durable_rows(self.directory)

    def on_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        ended = {(one["trial"], one["rung"]) for event in self._events("ended") for one in event["outcomes"]}
        self.missing += [one for one in outcomes if (one.trial, one.rung) not in ended]

    def on_run_end(self, reason: StopReason | None) -> None:
        if not self._events("closed"):
            self.missing.append(reason)


def test_whatever_a_callback_is_told_is_on_the_disk_by_then(directory: SweepDirectory) -> None:
    witness = Witness(directory)
    run(directory, witness)
    assert witness.looked > 4
    assert witness.missing == []


def test_each_report_is_told_once_between_the_assignment_and_the_outcome_that_it_belongs_to(
    directory: SweepDirectory,
) -> None:
    listener = Listener()
    state = run(directory, listener)
    steps: dict[int, list[int]] = {}
    open_trials = set[int]()
    for name, what in listener.told:
        if name == "assignments":
            open_trials |= {work.trial for work in what}
        elif name == "reports":
            assert set(what.trial.tolist()) <= open_trials
            for trial, step in zip(what.trial.tolist(), what.step.tolist(), strict=True):
                steps.setdefault(trial, []).append(step)
        elif name == "outcomes":
            for outcome in what:
                assert steps[outcome.trial][-1] == outcome.step
                open_trials.remove(outcome.trial)
    assert not open_trials
    assert steps == {row.trial: list(range(1, row.step + 1)) for row in state.rows}


def test_a_run_begins_with_its_facts_and_ends_with_the_reason(directory: SweepDirectory) -> None:
    listener = Listener()
    run(directory, listener)
    assert listener.names[0] == "start"
    assert listener.told[0][1].directory == directory.path
    assert listener.names.count("start") == listener.names.count("end") == 1
    assert listener.told[-1] == ("end", StopReason.FINISHED)


def test_decisions_are_told_as_soon_as_the_journal_has_them_and_reports_with_their_part(
    directory: SweepDirectory, work: Work
) -> None:
    listener = Listener()
    record = record_of(directory, Callbacks([listener]))
    record.decided(1, [work()])
    record.proposed(Proposal(0, np.empty((0, 1))))
    record.received(Updates(batch(0, [1, 2]), []), now=5.0)
    record.received(Updates(ReportBatch.empty(), []), now=6.0)
    listener.await_told(3)
    assert listener.names == ["start", "assignments", "proposal"]
    record.received(Updates(batch(0, [3]), [completed(work())]), now=6.5)
    record.commit(7.0)
    record.close(new_state(), StopReason.INTERRUPTED)
    record.release()
    assert listener.names == ["start", "assignments", "proposal", "reports", "reports", "outcomes", "end"]


def test_while_the_disk_is_full_nothing_is_told_and_afterwards_everything_once(
    directory: SweepDirectory, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    listener, fsync = Listener(), os.fsync
    record = record_of(directory, Callbacks([listener]))
    record.decided(1, [work()])
    record.received(Updates(batch(0, [1, 2, 3]), [completed(work())]), now=0.5)
    monkeypatch.setattr(os, "fsync", refuse)
    assert record.commit(1.0) == []
    assert record.commit(2.0) == []
    assert listener.told == []
    monkeypatch.setattr(os, "fsync", fsync)
    assert len(record.commit(3.0)) == 1
    record.close(new_state(), StopReason.INTERRUPTED)
    record.release()
    assert listener.names == ["start", "assignments", "reports", "outcomes", "end"]


def test_a_run_that_breaks_off_ends_without_a_reason_and_tells_nothing_that_is_not_durable(
    directory: SweepDirectory, work: Work
) -> None:
    listener = Listener()
    record = record_of(directory, Callbacks([listener]))
    record.commit(0.0)
    record.received(Updates(batch(0, [1]), [completed(work())]), now=0.5)
    record.release()
    assert listener.names == ["start", "end"]
    assert listener.told[-1] == ("end", None)


def test_a_run_of_which_nothing_is_durable_is_not_told_at_all(directory: SweepDirectory) -> None:
    listener = Listener()
    told = Callbacks([listener])
    told.decided([])
    told.close()
    assert listener.told == []


def test_a_callback_that_raises_is_named_once_and_left_out_and_the_sweep_and_the_others_go_on(
    directory: SweepDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    raising, listener = Raising(), Listener()
    with caplog.at_level(logging.WARNING, "caviar"):
        state = run(directory, raising, listener)
    assert state.finished
    (warning,) = caplog.records
    assert (
        warning.getMessage()
        == "The callback Raising raised and is left out from here on; the sweep goes on without it."
    )
    assert "in the person's own callback" in caplog.text
    assert raising.names.count("outcomes") == 1
    assert "end" not in raising.names
    assert listener.told[-1] == ("end", StopReason.FINISHED)
    assert sum(len(outcomes) for outcomes in listener.of("outcomes")) > 12


@pytest.mark.usefixtures("impatient")
def test_a_callback_that_never_comes_back_holds_up_neither_the_sweep_nor_the_others(
    directory: SweepDirectory, blocked: Blocked, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Listener()
    with caplog.at_level(logging.WARNING, "caviar"):
        state = run(directory, blocked, listener)
    assert state.finished
    assert listener.told[-1] == ("end", StopReason.FINISHED)
    (warning,) = caplog.records
    assert warning.getMessage().startswith("The callback Blocked is slow: the run has ended, and ")
    assert set(blocked.names) == {"start", "assignments"}


def test_a_callback_that_falls_behind_is_left_out_and_what_waited_for_it_is_forgotten(
    work: Work, blocked: Blocked, caplog: pytest.LogCaptureFixture
) -> None:
    told = Callbacks([blocked], most=100)
    reports = [batch(0, [step] * 10) for step in range(1, 30)]
    alive = [weakref.ref(one.trial) for one in reports]
    with caplog.at_level(logging.WARNING, "caviar"):
        while reports:
            told.received(Updates(reports.pop(0), []))
            told.all_is_durable()
            blocked.reached.wait()
    (warning,) = caplog.records
    assert warning.getMessage() == (
        "The callback Blocked is left out from here on, and the sweep goes on without it: 110 reports, decisions and"
        " outcomes wait for it, and at most 100 may."
    )
    assert sum(one() is not None for one in alive) <= 1, "only what it is being told"
    told.close(StopReason.FINISHED)
    assert len(caplog.records) == 1


def test_a_callback_that_raises_after_it_was_left_out_says_nothing_more(
    blocked: Blocked, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, raised = Callbacks([blocked], most=1), Event()

    def wait_and_raise(reports: ReportBatch) -> None:
        blocked.reached.set()
        blocked.go_on.wait()
        raised.set()
        raise ZeroDivisionError

    monkeypatch.setattr(blocked, "on_reports", wait_and_raise)
    told.all_is_durable()
    blocked.await_told(1)
    for _ in range(3):
        told.received(Updates(batch(0, [1]), []))
        told.all_is_durable()
        blocked.reached.wait()
    told.close(StopReason.FINISHED)
    blocked.go_on.set()
    for thread in threading.enumerate():
        if thread.name == "callback Blocked":
            thread.join()
    assert raised.is_set()
    assert [record.getMessage().split()[:3] for record in caplog.records] == [["The", "callback", "Blocked"]]


def test_a_large_batch_is_told_to_a_callback_that_keeps_up() -> None:
    listener = Listener()
    told = Callbacks([listener], most=10)
    told.all_is_durable()
    listener.await_told(1)
    told.received(Updates(batch(0, range(1, 1001)), []))
    told.all_is_durable()
    listener.await_told(2)
    assert len(listener.of("reports")[0]) == 1000
    told.close(StopReason.FINISHED)


def test_a_simulation_tells_the_same() -> None:
    listener, state = Listener(), new_state()
    record = MemoryRecord(ReportTable(SPACE.value_types, "loss", "min"), Callbacks([listener]))
    SweepLoop(state, SimulatedExecutor(curve, "loss", 2), record, Interrupts()).run()
    assert (listener.names[0], listener.told[-1]) == ("start", ("end", StopReason.FINISHED))
    assert listener.told[0][1].directory is None
    assert sum(len(reports) for reports in listener.of("reports")) == state.spent


def test_without_callbacks_nothing_is_kept_and_no_report_is_looked_at(work: Work) -> None:
    class Sealed(Updates):
        @property
        def reports(self) -> ReportBatch:
            raise AssertionError("nobody is told of them")

    told = Callbacks()
    told.decided([work()])
    told.received(Sealed.__new__(Sealed))
    told.all_is_durable()
    told.close(StopReason.FINISHED)


def test_a_callback_replaces_only_the_methods_that_it_needs(directory: SweepDirectory, tmp_path: Path) -> None:
    class Ends(Callback):
        def on_run_end(self, reason: StopReason | None) -> None:
            (tmp_path / "ended").write_text(str(reason and reason.value))

    run(directory, Ends())
    assert (tmp_path / "ended").read_text() == "finished"
