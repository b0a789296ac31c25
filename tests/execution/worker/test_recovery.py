"""What is done about failures: memory that is missing, rules of `on_error`, and what no longer counts."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caviar.scheduler.core.trials.assignment import Assignment, ErrorAction, ErrorRule, Outcome, OutcomeStatus, decide
from caviar.scheduler.core.trials.reports import ReportBatch
from caviar.scheduler.execution.cluster.nodes import death_reason
from caviar.scheduler.execution.pool.handle import WorkerHandle
from caviar.scheduler.execution.worker.engine import Engine
from caviar.scheduler.execution.worker.failures import is_out_of_memory, memory_sentence
from caviar.scheduler.execution.worker.report_queue import ReportQueue
from caviar.scheduler.execution.worker.settings import TrainingSettings
from caviar.scheduler.storage import SweepDirectory
from caviar.trainers import TrainerError

Settings = Callable[..., TrainingSettings]
Work = Callable[..., Assignment]


def run(settings: TrainingSettings, *works: Assignment) -> tuple[list[Outcome], ReportBatch]:
    """Trains assignments one after the other on one engine."""
    reports = ReportQueue()
    engine = Engine(settings, reports)
    outcomes = [outcome for work in works for outcome in engine.run([work])]
    engine.close()
    return outcomes, reports.drain()


class OutOfMemoryError(RuntimeError):
    """Named like torch's."""


@pytest.mark.parametrize(
    ("error", "known"),
    [
        (MemoryError(), True),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has ..."), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
            True,
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (TrainerError("the command 'python' exited with status 1: torch.OutOfMemoryError: CUDA out of memory"), True),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("the memory of this person is bad"), False),
        (ValueError("CUDA out of memory is only quoted"), False),
        (OSError(28, "No space left on device"), False),
    ],
)
def test_missing_memory_is_recognised_and_other_trouble_is_not(error: Exception, known: bool) -> None:
    assert is_out_of_memory(error) is known
    wrapped = KeyError("around it")
    wrapped.__cause__ = error
    assert is_out_of_memory(wrapped) is known


def test_the_sentence_has_the_figure_that_was_asked_for() -> None:
    with pytest.raises(MemoryError) as refusal:
        np.empty((1 << 50,), np.float64)
    sentences = [memory_sentence(error) for error in (refusal.value, RuntimeError("you tried to allocate 2048 bytes"))]
    assert re.fullmatch(
        r"Out of memory: 8\.00 PiB more were asked for, the process has held [\d.]+ [MG]iB at most\.", sentences[0]
    )
    assert sentences[1].startswith("Out of memory: 2 KiB more were asked for")


def test_a_trial_without_enough_memory_is_tried_again_with_nothing_else_in_the_worker(
    settings: Settings, work: Work, directory: SweepDirectory
) -> None:
    config = {"needs": "an empty worker"}
    outcomes, reports = run(settings("hungry"), work(0, config={"needs": "little"}), work(1, config=config))
    assert [(one.trial, one.status, one.error, one.attempt) for one in outcomes] == [
        (0, OutcomeStatus.COMPLETED, None, 0),
        (1, OutcomeStatus.COMPLETED, None, 0),
    ]
    assert reports.step[reports.trial == 1].tolist() == [1, 2, 3], "the second try repeats no report"
    log = directory.log(1).read_text()
    assert log.startswith("Out of memory: ")
    assert "Going on with nothing else in this worker's memory." in log


def test_a_trial_that_has_not_enough_memory_alone_either_fails_with_the_figures_before_the_traceback(
    settings: Settings, work: Work
) -> None:
    (outcome,), _ = run(settings("hungry"), work(config={"needs": "too much"}))
    assert (outcome.status, outcome.action) == (OutcomeStatus.FAILED, ErrorAction.RETRY_ALONE)
    sentence, traceback = str(outcome.error).split("\n", 1)
    assert re.fullmatch(r"Out of memory: 8\.00 PiB more were asked for, the process .*\.", sentence)
    assert traceback.startswith("Traceback (most recent call last):\n")


@pytest.mark.parametrize(
    ("rules", "action", "tries"),
    [
        ([], None, 1),
        ([("learning rate", "retry"), ("ValueError", "fail")], ErrorAction.RETRY, 1),
        ([("license", "stop"), ("ValueError", "fail")], ErrorAction.FAIL, 1),
        ([("only printed [0-9]", "stop")], ErrorAction.STOP, 1),
        ([("learning rate", "retry_alone")], ErrorAction.RETRY_ALONE, 2),
    ],
)
def test_the_first_rule_that_matches_the_error_or_what_was_printed_says_what_is_done(
    settings: Settings, work: Work, directory: SweepDirectory, rules: Any, action: ErrorAction | None, tries: int
) -> None:
    told = settings("complains", rules=tuple(ErrorRule(match, ErrorAction(do)) for match, do in rules))
    (outcome,), _ = run(told, work())
    assert (outcome.status, outcome.action) == (OutcomeStatus.FAILED, action)
    assert directory.log(0).read_text().count("ValueError: the learning rate is too large") == tries


def test_of_what_was_printed_only_the_end_is_searched(settings: Settings, work: Work) -> None:
    rules = (ErrorRule("printed first", ErrorAction.STOP), ErrorRule("printed last", ErrorAction.FAIL))
    (outcome,), _ = run(settings("prints_and_fails", rules=rules), work(config={"lines": 3}))
    assert outcome.action is ErrorAction.STOP
    (outcome,), _ = run(settings("prints_and_fails", rules=rules), work(config={"lines": 10_000}))
    assert outcome.action is ErrorAction.FAIL


def test_limits_leave_no_trace_of_steps_that_end_in_time(
    settings: Settings, work: Work, directory: SweepDirectory
) -> None:
    (outcome,), _ = run(settings("walk", timeout=60.0, stall_timeout=60.0), work())
    assert outcome.status is OutcomeStatus.COMPLETED
    assert not directory.log(0).exists()


def test_reports_and_outcomes_of_superseded_attempts_are_fenced_off(work: Work) -> None:
    handle, queue = WorkerHandle(actor=None, asked=0.0), ReportQueue()
    given = [work(0, attempt=1), work(1)]
    for assignment in given:
        handle.give([assignment])
    superseded, foreign = work(0, attempt=0), work(2)
    for assignment in (given[0], superseded, foreign, given[1]):
        queue.append(assignment, 1, 0, 0.0, {"loss": 1.0})
    queue.append(superseded, 2, 0, 0.0, {"loss": 1.0})
    ended = [Outcome(one.trial, one.rung, one.attempt, OutcomeStatus.COMPLETED, 3, 1.0) for one in
             (superseded, foreign, given[1])]  # fmt: skip
    arrived = handle.fence(queue.drain(), ended)
    assert list(zip(arrived.reports.trial.tolist(), arrived.reports.attempt.tolist(), strict=True)) == [(0, 1), (1, 0)]
    assert [outcome.trial for outcome in arrived.outcomes] == [1]
    assert handle.reported == {0: 1, 1: 1}


def test_what_ray_says_of_its_memory_monitor_is_one_sentence_and_a_rule_can_match_it(work: Work) -> None:
    said = (
        "1 worker(s) were killed due to the node running low on memory. Memory on the node (IP: 192.0.2.2, ID: 631d)"
        " was 2.87GB used / 23.54GB limit (0.122075)\nOOM kill reason: Memory usage exceeded threshold of 126382504B\n"
        "Selected to kill: (Actor(25bf): job ID=01000000, pid=6749, actual memory used=0.10GB, worker ID=596b)\n"
    )
    reason = death_reason(said)
    assert reason == (
        "Out of memory: Ray's memory monitor killed the worker, which held 0.10GB, since its node had too little left:"
        " 2.87GB of 23.54GB were in use"
    )
    bare = death_reason("The actor died.\nWorker exit type: NODE_OUT_OF_MEMORY")
    assert bare == "Out of memory: Ray's memory monitor killed the worker since its node had too little left"
    handle = WorkerHandle(actor=None, asked=0.0)
    handle.give([work(0)])
    handle.give([work(1)])
    lost = handle.lost(OutcomeStatus.FAILED, reason, [ErrorRule("memory monitor", ErrorAction.FAIL)])
    assert [(one.status.value, one.action) for one in lost] == [("failed", ErrorAction.FAIL), ("interrupted", None)]


def test_rules_are_tried_in_order_on_all_texts() -> None:
    rules = [ErrorRule("b", ErrorAction.FAIL), ErrorRule("a", ErrorAction.STOP)]
    assert decide(rules, "a", "b") is ErrorAction.FAIL
    assert decide(rules, "a", "c") is ErrorAction.STOP
    assert decide(rules, "c") is None
    assert decide([replace(rules[0], match="(?m)^x$")], "w\nx\ny") is ErrorAction.FAIL


def test_settings_know_the_shorter_of_two_limits(tmp_path: Path, settings: Settings) -> None:
    assert settings("walk").patience_s is None
    assert settings("walk", timeout=5.0).patience_s == 5.0
    assert settings("walk", timeout=5.0, stall_timeout=2.0).patience_s == 2.0
