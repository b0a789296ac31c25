"""What only real workers do: keep trials warm, die, and cannot be started."""

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import ray

from caviar.scheduler.core.placement.kinds import WorkerKind
from caviar.scheduler.core.trials.assignment import Assignment, Outcome, OutcomeStatus
from caviar.scheduler.core.trials.reports import ReportBatch
from caviar.scheduler.errors import WorkerError
from caviar.scheduler.execution.cluster.connect import check_room
from caviar.scheduler.execution.pool.executor import RayExecutor
from caviar.scheduler.execution.worker.settings import TrainingSettings
from caviar.scheduler.storage import SweepDirectory
from caviar.trainers import load_trainer

Work = Callable[..., Assignment]
pytestmark = pytest.mark.usefixtures("running_ray")


@pytest.fixture
def executor_of(settings: Callable[..., TrainingSettings]) -> Iterator[Callable[..., RayExecutor]]:
    """Makes executors whose workers are all ready; they are closed at the end."""
    made: list[RayExecutor] = []

    def make(function: str, workers: int = 1, warm: int = 8, **facts: Any) -> RayExecutor:
        told = settings(function, warm=warm, **facts)
        made.append(RayExecutor(told, [WorkerKind(count=workers)]))
        while made[-1].workers < workers:
            made[-1].wait(1.0)
        return made[-1]

    yield make
    for executor in made:
        executor.close()


def wait_for_workers(executor: RayExecutor) -> None:
    while executor.capacity() == 0:
        executor.wait(1.0)


def send_ahead(executor: RayExecutor) -> None:
    """Has it send groups to workers that are busy, as where groups take no time."""
    executor._seconds = 0.001


def finish(executor: RayExecutor, count: int = 1) -> tuple[list[Outcome], ReportBatch]:
    outcomes, batches = list[Outcome](), list[ReportBatch]()
    while len(outcomes) < count:
        arrived = executor.wait(1.0)
        outcomes += arrived.outcomes
        batches += [arrived.reports] if len(arrived.reports) else []
    return outcomes, ReportBatch.concatenate(batches)


def test_a_promoted_trial_goes_to_the_worker_that_holds_it(executor_of: Callable[..., RayExecutor], work: Work) -> None:
    executor = executor_of("names_its_process", workers=2)
    first = [work(trial, stop=1) for trial in range(2)]
    executor.start(first)
    _, before = finish(executor, 2)
    executor.start([replace(assignment, start=1, stop=3, rung=1, reported=1) for assignment in reversed(first)])
    _, after = finish(executor, 2)
    homes = dict(zip(before.trial.tolist(), before.metrics["process"].tolist(), strict=True))
    assert len(set(homes.values())) == 2
    assert dict(zip(after.trial.tolist(), after.metrics["process"].tolist(), strict=True)) == homes


def test_a_worker_that_dies_fails_the_trial_it_trained_and_another_takes_its_place(
    executor_of: Callable[..., RayExecutor], work: Work, tmp_path: Path
) -> None:
    executor = executor_of("kills_its_process_once")
    first = work(stop=3, config={"marker": str(tmp_path / "died")})
    executor.start([first])
    outcomes, reports = finish(executor)
    assert (outcomes[0].status, outcomes[0].attempt) == (OutcomeStatus.FAILED, 0)
    assert str(outcomes[0].error).startswith("The worker died: ")
    assert reports.step.tolist() == list(range(1, outcomes[0].step + 1))
    wait_for_workers(executor)
    executor.start([replace(first, attempt=1, reported=outcomes[0].step)])
    again, rest = finish(executor)
    assert (again[0].status, again[0].step) == (OutcomeStatus.COMPLETED, 3)
    assert rest.step.tolist() == list(range(outcomes[0].step + 1, 4))


def test_work_that_was_only_queued_at_a_worker_that_died_is_not_held_against_it(
    executor_of: Callable[..., RayExecutor], work: Work, tmp_path: Path
) -> None:
    executor = executor_of("kills_its_process_once")
    send_ahead(executor)
    executor.start([work(trial, stop=3, config={"marker": str(tmp_path / "died")}) for trial in range(4)])
    outcomes, reports = finish(executor, 4)
    assert [(outcome.trial, outcome.status) for outcome in outcomes] == [
        (0, OutcomeStatus.FAILED),
        (1, OutcomeStatus.INTERRUPTED),
        (2, OutcomeStatus.INTERRUPTED),
        (3, OutcomeStatus.INTERRUPTED),
    ]
    assert [outcome.step for outcome in outcomes[1:]] == [0, 0, 0]
    assert set(reports.trial.tolist()) <= {0}


def test_work_is_trained_in_the_order_in_which_it_was_submitted_whichever_call_arrives_first(
    executor_of: Callable[..., RayExecutor], work: Work
) -> None:
    executor = executor_of("names_its_process")
    (handle,) = executor._pool.handles.values()
    for trial in range(3):
        handle.give([work(trial)])
    for number in (2, 1, 0):
        handle.actor.submit.remote(number, [[work(number)]])
    outcomes, _ = finish(executor, 3)
    assert [outcome.trial for outcome in outcomes] == [0, 1, 2]


def test_a_worker_that_dies_fails_the_whole_group_that_it_trained_and_no_other(
    executor_of: Callable[..., RayExecutor], work: Work, tmp_path: Path
) -> None:
    executor = executor_of("kills_its_process_once")
    config = {"marker": str(tmp_path / "died")}
    send_ahead(executor)
    first = [work(trial, group=0, config=config) for trial in range(3)]
    executor.start([*first, *[work(trial, group=3, config=config) for trial in (3, 4)]])
    outcomes, _ = finish(executor, 5)
    assert [(outcome.trial, outcome.status) for outcome in outcomes] == [
        (0, OutcomeStatus.FAILED),
        (1, OutcomeStatus.FAILED),
        (2, OutcomeStatus.FAILED),
        (3, OutcomeStatus.INTERRUPTED),
        (4, OutcomeStatus.INTERRUPTED),
    ]


@pytest.mark.slow
def test_a_step_that_takes_too_long_fails_with_its_stack_in_the_log_and_its_worker_is_replaced(
    executor_of: Callable[..., RayExecutor], work: Work, directory: SweepDirectory
) -> None:
    executor = executor_of("Endless", timeout=3.0, stall_timeout=1.5)
    reasons = {
        "waits": "step 3 gave no sign of life for stall_timeout, 1.5 s; the stack is in logs/0.log",
        "chats": "step 3 took more than timeout, 3 s; the stack is in logs/1.log",
        "blocks": "a step took more than stall_timeout, 1.5 s, and its process did not even answer;"
        " the stack is in logs/2.log",
    }
    for trial, (fate, reason) in enumerate(reasons.items()):
        wait_for_workers(executor)
        send_ahead(executor)
        executor.start([work(trial, config={"fate": fate}), work(9, group=9, config={"fate": "good"})])
        outcomes, reports = finish(executor, 2)
        late, queued = outcomes
        assert (late.trial, late.status, late.error) == (trial, OutcomeStatus.FAILED, reason)
        assert late.step == 2 or (fate == "blocks" and late.step == 0), "only what the driver has heard of counts"
        assert (queued.trial, queued.status, queued.step) == (9, OutcomeStatus.INTERRUPTED, 0)
        assert (reports.trial.tolist(), reports.step.tolist()) == ([trial] * late.step, list(range(1, late.step + 1)))
        assert re.search(r"\bin wait_long\n", directory.log(trial).read_text())
    wait_for_workers(executor)
    executor.start([work(9, config={"fate": "good"})])
    outcomes, _ = finish(executor)
    assert outcomes[0].status is OutcomeStatus.COMPLETED
    assert not directory.log(9).exists()


@pytest.mark.slow
def test_the_rest_of_a_group_whose_step_takes_too_long_was_only_interrupted(
    executor_of: Callable[..., RayExecutor], work: Work
) -> None:
    executor = executor_of("Endless", timeout=1.0)
    executor.start([work(n, group=0, config={"fate": fate}) for n, fate in enumerate(["good", "waits", "good"])])
    outcomes, _ = finish(executor, 3)
    assert [outcome.status.value for outcome in outcomes] == ["completed", "failed", "interrupted"]


@pytest.mark.slow
@pytest.mark.parametrize("end", ["timeout", "kill"])
def test_a_command_dies_with_its_worker_and_so_do_the_processes_that_it_started(
    directory: SweepDirectory, work: Work, end: str
) -> None:
    script = (
        "import os, subprocess, sys, time; child = subprocess.Popen(['sleep', '600'])\n"
        "print(os.getppid(), os.getpid(), child.pid, flush=True); time.sleep(600)"
    )
    trainer = load_trainer({"command": [sys.executable, "-c", script]})
    told = TrainingSettings(trainer, "loss", 9, directory.path, timeout=2.0 if end == "timeout" else None)
    executor = RayExecutor(told, [WorkerKind(count=1)])
    wait_for_workers(executor)
    executor.start([work()])
    while not (directory.log(0).exists() and re.match(r"\d+ \d+ \d+\n", directory.log(0).read_text())):
        executor.wait(0.1)
    worker, *processes = map(int, directory.log(0).read_text().splitlines()[0].split())
    if end == "kill":
        os.kill(worker, signal.SIGKILL)
    outcomes, _ = finish(executor)
    assert outcomes[0].status is OutcomeStatus.FAILED
    while any(runs(process) for process in processes):
        Event().wait(0.05)
    executor.close()


def runs(process: int) -> bool:
    """Whether a process is alive; one that has ended and that nobody has asked for yet is not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_group_goes_to_the_worker_that_holds_most_of_its_trials(
    executor_of: Callable[..., RayExecutor], work: Work
) -> None:
    executor = executor_of("names_its_process", workers=2)
    executor.start([work(trial, stop=1, group=3 * (trial // 3)) for trial in range(6)])
    _, before = finish(executor, 6)
    homes = dict(zip(before.trial.tolist(), before.metrics["process"].tolist(), strict=True))
    assert len(set(homes.values())) == 2
    survivors = [work(trial, start=1, stop=3, rung=1, reported=1, group=0) for trial in (0, 4, 5)]
    executor.start(survivors)
    _, after = finish(executor, 3)
    assert set(after.metrics["process"].tolist()) == {homes[4]}


def test_an_idle_worker_that_dies_is_replaced_without_an_outcome(
    executor_of: Callable[..., RayExecutor], work: Work
) -> None:
    executor = executor_of("names_its_process")
    executor.start([work(stop=1)])
    _, reports = finish(executor)
    process = int(reports.metrics["process"][0])
    os.kill(process, signal.SIGKILL)
    while executor.workers == 1 and executor.capacity():
        assert len(executor.wait(1.0).outcomes) == 0
    wait_for_workers(executor)
    executor.start([work(stop=3, start=1, reported=1)])
    outcomes, reports = finish(executor)
    assert outcomes[0].status is OutcomeStatus.COMPLETED
    assert process not in reports.metrics["process"]


def test_workers_that_cannot_be_started_are_one_error(
    settings: Callable[..., TrainingSettings], tmp_path: Path
) -> None:
    lost = settings("walk")
    file = tmp_path / "gone.py"
    file.write_text((Path(__file__).parents[1] / "training_code.py").read_text())
    trainer = replace(lost.trainer, loaded_from=(f"{file}:walk", tmp_path))
    file.unlink()
    executor = RayExecutor(replace(lost, trainer=trainer), [WorkerKind(count=1)])
    try:
        with pytest.raises(WorkerError, match=r"^A worker could not be started: "):
            wait_for_workers(executor)
    finally:
        executor.close()


def test_resources_that_are_not_there_are_one_sentence() -> None:
    with pytest.raises(WorkerError) as refusal:
        check_room([WorkerKind(), WorkerKind(gpu=1)])
    has = ray.cluster_resources()["CPU"]  # type: ignore[no-untyped-call]
    assert str(refusal.value) == (
        f"workers: a worker needs 1 CPUs and 1 GPUs, and Ray has {has:g} and 0 in all; ask for less."
    )
