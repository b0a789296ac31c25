"""The executor in this process: training in the caller's thread, step by step, and judged as in a worker's process."""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from caviar.scheduler.core.trials.assignment import Assignment, ErrorAction, ErrorRule, Outcome, OutcomeStatus
from caviar.scheduler.core.trials.reports import ReportBatch
from caviar.scheduler.execution.in_process import InProcessExecutor
from caviar.scheduler.execution.worker.settings import TrainingSettings
from caviar.scheduler.storage import Checkpoints, SweepDirectory
from caviar.trainers import Trial, load_trainer

Settings = Callable[..., TrainingSettings]
Work = Callable[..., Assignment]
Metrics = dict[str, Any]


@pytest.fixture
def executor_of(settings: Settings) -> Iterator[Callable[..., InProcessExecutor]]:
    """Makes executors of functions of `training_code.py`, or of settings; they are closed at the end."""
    made: list[InProcessExecutor] = []

    def make(told: str | TrainingSettings, **facts: Any) -> InProcessExecutor:
        made.append(InProcessExecutor(settings(told, **facts) if isinstance(told, str) else told))
        return made[-1]

    yield make
    for executor in made:
        executor.close()


@pytest.fixture
def local(directory: SweepDirectory) -> Callable[..., TrainingSettings]:
    """The settings for a function of this module, as somebody has it in a notebook."""

    def make(function: Any, **facts: Any) -> TrainingSettings:
        return TrainingSettings(load_trainer(function), "loss", 9, directory.path, **facts)

    return make


def run(executor: InProcessExecutor, *group: Assignment) -> tuple[list[Outcome], ReportBatch]:
    """Trains a group to its end."""
    executor.start(group)
    outcomes, batches = list[Outcome](), list[ReportBatch]()
    while not outcomes:
        arrived = executor.wait(1.0)
        outcomes += arrived.outcomes
        batches.append(arrived.reports)
    return outcomes, ReportBatch.concatenate([batch for batch in batches if len(batch)])


def test_training_runs_in_the_thread_that_waits(
    executor_of: Callable[..., InProcessExecutor], local: Settings, work: Work
) -> None:
    threads = set[int]()

    def train(trial: Trial) -> Iterator[Metrics]:
        for step in trial.steps():
            threads.add(threading.get_ident())
            yield {"loss": 1 / step}

    run(executor_of(local(train)), work())
    assert threads == {threading.get_ident()}


def test_a_wait_trains_for_its_time_and_comes_back_between_two_steps(
    executor_of: Callable[..., InProcessExecutor], work: Work, directory: SweepDirectory
) -> None:
    executor, steps = executor_of("walk", resource_max=10**6), list[int]()
    executor.start([work(stop=10**6)])
    while len(steps) < 30:
        arrived = executor.wait(0.02)
        assert not arrived.outcomes
        steps += arrived.reports.step.tolist()
    executor.cancel()
    arrived = executor.wait(10.0)
    assert steps + arrived.reports.step.tolist() == list(range(1, len(steps) + 1)), "no step follows a request to stop"
    (outcome,) = arrived.outcomes
    assert (outcome.status, outcome.step) == (OutcomeStatus.INTERRUPTED, len(steps))
    assert Checkpoints(directory.checkpoints, directory.staging).newest(0) is not None


def test_a_wait_of_no_time_trains_one_step(executor_of: Callable[..., InProcessExecutor], work: Work) -> None:
    executor = executor_of("walk")
    executor.start([work()])
    arrivals = [executor.wait(0.0) for _ in range(6)]
    assert max(len(arrived.reports) for arrived in arrivals) == 1
    assert sum(len(arrived.reports) for arrived in arrivals) == 3


def test_time_that_passes_between_two_waits_is_no_training(
    executor_of: Callable[..., InProcessExecutor], work: Work
) -> None:
    executor, outcomes, waited = executor_of("walk"), list[Outcome](), 0.0
    executor.start([work()])
    while not outcomes:
        began = time.perf_counter()
        outcomes += executor.wait(0.0).outcomes
        waited += time.perf_counter() - began
        threading.Event().wait(0.05)
    assert 0 < outcomes[0].elapsed_s < waited


def test_many_reports_are_handed_on_before_the_time_is_over(
    executor_of: Callable[..., InProcessExecutor], local: Settings, work: Work
) -> None:
    def train(trial: Trial) -> Iterator[Metrics]:
        while True:
            yield {"loss": 1.0}

    executor = executor_of(local(train))
    executor.start([work(stop=10**9)])
    assert len(executor.wait(10_000.0).reports) == 10_000


def test_what_training_code_prints_goes_where_this_process_prints_and_to_no_log(
    executor_of: Callable[..., InProcessExecutor],
    work: Work,
    directory: SweepDirectory,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    executor, own = executor_of("talkative"), (sys.stdout, sys.stderr)
    run(executor, work(7, stop=2))
    assert (sys.stdout, sys.stderr) == own
    printed = capsys.readouterr()
    assert printed.out == "trial 7 prints\n" * 2
    assert "trial 7 warns\n" in printed.err
    assert not directory.log(7).exists()


def test_a_rule_is_found_in_what_the_trial_printed_and_not_in_what_others_print_meanwhile(
    executor_of: Callable[..., InProcessExecutor], local: Settings, work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(trial: Trial) -> Iterator[Metrics]:
        print("the license has expired")  # noqa: T201
        yield {"loss": 1.0}
        raise ValueError("no more")

    rules = ErrorRule("observer", ErrorAction.STOP), ErrorRule("license", ErrorAction.FAIL)
    executor, outcomes = executor_of(local(train, rules=rules)), list[Outcome]()
    executor.start([work()])
    while not outcomes:
        outcomes += executor.wait(0.0).outcomes
        print("the observer prints")  # noqa: T201
    assert (outcomes[0].status, outcomes[0].action) == (OutcomeStatus.FAILED, ErrorAction.FAIL)
    assert "no more" in capsys.readouterr().err


def test_a_failure_has_the_persons_frames_alone(executor_of: Callable[..., InProcessExecutor], work: Work) -> None:
    (outcome,), _ = run(executor_of("fated"), work(config={"fate": "fails"}))
    assert outcome.error is not None
    assert outcome.error.startswith("Traceback (most recent call last):\n")
    assert outcome.error.endswith("ValueError: the learning rate is too large\n")
    assert outcome.error.count("File ") == 1


def test_a_trial_without_enough_memory_is_tried_once_more_alone(
    executor_of: Callable[..., InProcessExecutor], work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    executor = executor_of("hungry")
    run(executor, work(0, config={"needs": "little"}))
    (outcome,), reports = run(executor, work(1, config={"needs": "little"}))
    assert outcome.status is OutcomeStatus.COMPLETED
    assert reports.step.tolist() == [1, 2, 3], "the second try repeats no report"
    assert "Going on with nothing else in this worker's memory." in capsys.readouterr().out
    (outcome,), _ = run(executor, work(2, config={"needs": "too much"}))
    assert (outcome.status, outcome.action) == (OutcomeStatus.FAILED, ErrorAction.RETRY_ALONE)


def test_a_step_takes_as_long_as_it_takes_whatever_the_limits(
    executor_of: Callable[..., InProcessExecutor], local: Settings, work: Work
) -> None:
    def train(trial: Trial) -> Iterator[Metrics]:
        threading.Event().wait(0.05)
        yield {"loss": 1.0}

    (outcome,), _ = run(executor_of(local(train, timeout=0.01, stall_timeout=0.01)), work(stop=1))
    assert outcome.status is OutcomeStatus.COMPLETED


def test_while_the_disk_is_full_a_wait_says_so_and_ends_on_time_and_a_request_to_stop_is_followed(
    executor_of: Callable[..., InProcessExecutor], work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    executor = executor_of("walk")
    executor.start([work()])
    monkeypatch.setattr(os, "fsync", refuse)
    while (arrived := executor.wait(0.02)).waiting is None:
        assert not arrived.outcomes
    assert arrived.waiting.endswith("cannot be written (No space left on device); waiting for space")
    executor.cancel()
    arrived = executor.wait(10.0)
    assert [outcome.status for outcome in arrived.outcomes] == [OutcomeStatus.INTERRUPTED]
    assert arrived.waiting is None


def test_ctrl_c_in_a_step_gets_out_and_closing_closes_the_trial(
    executor_of: Callable[..., InProcessExecutor], local: Settings, work: Work
) -> None:
    closed = list[int]()

    class Interrupted:
        def __init__(self, trial: Trial) -> None:
            self.trial = trial

        def step(self) -> Metrics:
            if self.trial.step == 1:
                raise KeyboardInterrupt
            return {"loss": 1.0}

        def state_dict(self) -> Metrics:
            return {}

        def load_state_dict(self, state: Metrics) -> None:
            pass

        def close(self) -> None:
            closed.append(self.trial.number)

    executor = executor_of(local(Interrupted))
    executor.start([work(5)])
    with pytest.raises(KeyboardInterrupt):
        executor.wait(10.0)
    executor.close()
    assert closed == [5]


def test_trials_are_closed_once_whether_they_ended_or_not(
    executor_of: Callable[..., InProcessExecutor], local: Settings, work: Work
) -> None:
    closed = list[int]()

    def train(trial: Trial) -> Iterator[Metrics]:
        try:
            while True:
                yield {"loss": 1.0}
        finally:
            closed.append(trial.number)

    executor = executor_of(local(train))
    run(executor, work(0))
    executor.start([work(1, stop=10**9)])
    executor.wait(0.0)
    executor.wait(0.0)
    executor.close()
    assert sorted(closed) == [0, 1]
    assert executor.capacity() == 0


DEBUGGED = """
import sys
from pathlib import Path
from caviar.scheduler.core.trials.assignment import Assignment
from caviar.scheduler.execution.in_process import InProcessExecutor
from caviar.scheduler.execution.worker.settings import TrainingSettings
from caviar.scheduler.storage import SweepDirectory
from caviar.trainers import load_trainer

def train(trial):
    for step in trial.steps():
        if step == 2:
            breakpoint()
        yield {"loss": 1 / step}

if __name__ == "__main__":
    directory = SweepDirectory(Path(sys.argv[1]))
    directory.create()
    executor = InProcessExecutor(TrainingSettings(load_trainer(train), "loss", 9, directory.path))
    executor.start([Assignment(0, {"x": 0.5}, 100, 0, 0, 0, 3, 0)])
    outcomes = []
    while not outcomes:
        outcomes += executor.wait(1.0).outcomes
    executor.close()
    print(outcomes[0].status.value, outcomes[0].step, "ray" in sys.modules)
"""


@pytest.fixture
def debugged(tmp_path: Path) -> Callable[[str], "subprocess.CompletedProcess[str]"]:
    """Runs a script whose second step stops in the debugger, and answers it."""
    script = tmp_path / "script.py"
    script.write_text(DEBUGGED)
    command = [sys.executable, str(script), str(tmp_path / "sweep")]
    # A Ray of this process has left its own debugger there.
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONBREAKPOINT"}
    return lambda typed: subprocess.run(
        command, input=typed, capture_output=True, text=True, check=False, env=variables
    )


def test_a_breakpoint_stops_in_the_training_code_and_nothing_of_ray_is_loaded(
    debugged: Callable[[str], "subprocess.CompletedProcess[str]"],
) -> None:
    ended = debugged("p 100 + step\nc\n")
    assert ended.returncode == 0, ended.stderr
    assert "(Pdb) 102" in ended.stdout
    assert ended.stdout.splitlines()[-1].endswith("completed 3 False")


def test_a_debugger_that_is_left_ends_the_script_and_is_no_failure_of_the_trial(
    debugged: Callable[[str], "subprocess.CompletedProcess[str]"],
) -> None:
    ended = debugged("q\n")
    assert ended.returncode != 0
    assert ended.stderr.splitlines()[-1] == "bdb.BdbQuit"
    assert "failed" not in ended.stdout
