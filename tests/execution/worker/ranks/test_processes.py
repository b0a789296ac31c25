"""Trials that several processes train together: what each of them is told, and what becomes of them."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import ray

from caviar.scheduler import Results
from caviar.scheduler.core.placement.kinds import WorkerKind
from caviar.scheduler.core.trials.assignment import Assignment, Outcome, OutcomeStatus
from caviar.scheduler.core.trials.reports import ReportBatch
from caviar.scheduler.errors import WorkerError
from caviar.scheduler.execution.cluster.connect import check_room
from caviar.scheduler.execution.pool.executor import RayExecutor
from caviar.scheduler.execution.pool.launcher import WorkerLauncher
from caviar.scheduler.execution.worker.ranks.rendezvous import RankAddress, rank_order, rank_variables, reserve_port
from caviar.scheduler.execution.worker.settings import TrainingSettings
from caviar.scheduler.storage import Location, SweepDirectory
from caviar.trainers import load_trainer, open_training

CODE = Path(__file__).with_name("ranked_code.py")
PLAIN = Path(__file__).parents[2] / "training_code.py"
"""Training code that needs no torch, in which workers start sooner."""
EXAMPLE = Path(__file__).parents[4] / "examples" / "ddp.yaml"
Work = Callable[..., Assignment]


def test_the_ranks_of_a_node_are_neighbours_and_the_first_process_stays_the_first() -> None:
    nodes = ["b", "a", "b", "c", "a", "b"]
    assert rank_order([RankAddress(node, "") for node in nodes]) == [0, 2, 5, 1, 4, 3]


def test_each_process_is_told_its_place_among_all_and_on_its_node_and_sees_the_gpus_of_its_node() -> None:
    addresses = [
        RankAddress("a", "10.0.0.1", ("3",)),
        RankAddress("a", "10.0.0.1", ("0",)),
        RankAddress("b", "10.0.0.2", ("5",)),
    ]
    common = {"WORLD_SIZE": "3", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "2345"}
    assert rank_variables(addresses, 2345) == [
        {**common, "RANK": "0", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2", "CUDA_VISIBLE_DEVICES": "3,0"},
        {**common, "RANK": "1", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "CUDA_VISIBLE_DEVICES": "3,0"},
        {**common, "RANK": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "CUDA_VISIBLE_DEVICES": "5"},
    ]


def test_processes_without_a_gpu_are_told_nothing_of_gpus() -> None:
    (variables,) = rank_variables([RankAddress("a", "::1")], 1)
    assert "CUDA_VISIBLE_DEVICES" not in variables


def test_a_reserved_port_is_free_for_whoever_asks_for_it_and_for_nobody_else() -> None:
    port = reserve_port("127.0.0.1")
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", port))
    with socket.socket() as store:
        store.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        store.bind(("", port))
        store.listen()


def told(directory: SweepDirectory, code: Path, function: str, **facts: Any) -> TrainingSettings:
    return TrainingSettings(load_trainer(f"{code}:{function}"), "loss", 9, directory.path, **facts)


def wait_for_workers(executor: RayExecutor) -> None:
    while executor.capacity() == 0:
        executor.wait(1.0)


def finish(
    executor: RayExecutor, assignment: Assignment, meanwhile: Callable[[], object] = lambda: None
) -> tuple[Outcome, ReportBatch]:
    wait_for_workers(executor)
    executor.start([assignment])
    batches = [ReportBatch.empty()]
    while True:
        meanwhile()
        arrived = executor.wait(0.1)
        batches += [arrived.reports] if len(arrived.reports) else []
        if arrived.outcomes:
            return arrived.outcomes[0], ReportBatch.concatenate(batches[1:])


def groups_left() -> list[Any]:
    table: Mapping[str, Any] = ray.util.placement_group_table()
    return [group for group in table.values() if group["state"] != "REMOVED"]


def runs(process: int) -> bool:
    """Whether a process is alive; one that has ended and that nobody has asked for yet is not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.usefixtures("running_ray")
def test_two_processes_train_as_one_with_the_whole_batch_would_and_go_on_from_a_checkpoint(
    directory: SweepDirectory, work: Work
) -> None:
    settings = told(directory, CODE, "regress", warm=0)
    executor = RayExecutor(settings, [WorkerKind(processes=2, count=1)])
    try:
        outcome, reports = finish(executor, work(0, stop=6, seed=7))
        assert (outcome.status, outcome.error) == (OutcomeStatus.COMPLETED, None)
        _, before = finish(executor, work(1, stop=2, seed=7))
        _, after = finish(executor, work(1, stop=6, seed=7, start=2, reported=2, rung=1))
    finally:
        executor.close()
    paused = np.concatenate([before.metrics["loss"], after.metrics["loss"]])
    assert after.step.tolist() == [3, 4, 5, 6]
    assert paused.tolist() == reports.metrics["loss"].tolist()
    alone = open_training(settings.trainer, number=0, config={}, seed=7, resource_max=9)
    expected = [(alone.step() or {})["loss"] for _ in range(6)]
    np.testing.assert_allclose(reports.metrics["loss"], expected, rtol=1e-5)
    assert directory.log(0).read_text().split()[:4] == ["RANK=0", "WORLD_SIZE=2", "LOCAL_RANK=0", "LOCAL_WORLD_SIZE=2"]
    assert directory.log(0, 1).read_text().split()[:4] == [
        "RANK=1",
        "WORLD_SIZE=2",
        "LOCAL_RANK=1",
        "LOCAL_WORLD_SIZE=2",
    ]


FATES = {
    "raises": (1, "rank 1: Traceback", "ValueError: no such data"),
    "raises itself": (0, "Traceback", "ValueError: no such data"),
    "ends": (1, "the training has ended by itself in rank 1 of 2", "the processes have to end it at the same step"),
    "is killed": (1, "rank 1: The worker died: The actor died unexpectedly", ""),
}
"""What may happen: in which rank, and how its error begins and ends."""


@pytest.mark.slow
@pytest.mark.usefixtures("running_ray")
def test_whatever_happens_to_a_process_is_the_failure_of_its_trial_and_nothing_is_left_of_its_worker(
    directory: SweepDirectory, work: Work
) -> None:
    executor = RayExecutor(told(directory, PLAIN, "fated_in_processes"), [WorkerKind(processes=2, count=2)])
    try:
        for trial, (fate, (rank, begin, end)) in enumerate(FATES.items()):
            assignment = work(trial, config={"fate": fate.removesuffix(" itself"), "rank": rank}, stop=3)
            outcome, reports = finish(executor, assignment, partial(kill_if_it_waits, directory.log(trial, 1)))
            assert outcome.status is OutcomeStatus.FAILED
            assert str(outcome.error).startswith(begin)
            assert str(outcome.error).strip().endswith(end)
            assert (outcome.step, reports.step.tolist()) == (1, [1])
        outcome, _ = finish(executor, work(9, config={"fate": "none", "rank": 1}, stop=3))
        assert outcome.status is OutcomeStatus.COMPLETED
        os.kill(int(str(directory.log(9, 1).read_text()).split()[1]), signal.SIGKILL)
        workers = {handle.actor for handle in executor._pool.handles.values()}
        while workers == {handle.actor for handle in executor._pool.handles.values()}:
            assert not executor.wait(0.1).outcomes, "a worker that trains nothing is replaced without an outcome"
    finally:
        executor.close()
    assert "ValueError: no such data" in directory.log(0, 1).read_text()
    assert "ValueError: no such data" in directory.log(0).read_text()
    printed = [log.read_text().split() for log in Path(str(directory.logs)).iterdir()]
    processes = {int(words[words.index("process") + 1]) for words in printed}
    assert len(processes) == 10, "no worker was used again after a failure"
    while any(runs(process) for process in processes) or groups_left():
        Event().wait(0.05)


def kill_if_it_waits(log: Location) -> None:
    """Kills the process that has written so into its log, which the other one waits for in `all_reduce`."""
    words = log.read_text().split() if log.exists() else []
    if "waiting" in words and runs(int(words[1])):
        os.kill(int(words[1]), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.usefixtures("running_ray")
def test_a_step_that_takes_too_long_fails_with_the_stacks_of_all_processes_in_the_log(
    directory: SweepDirectory, work: Work, tmp_path: Path
) -> None:
    settings = told(directory, PLAIN, "waits_in_both_processes", timeout=2.0)
    executor = RayExecutor(settings, [WorkerKind(processes=2, count=1)])
    try:
        outcome, _ = finish(executor, work(config={"marker": str(tmp_path / "node")}))
    finally:
        executor.close()
    assert outcome.error == "step 2 took more than timeout, 2 s; the stack is in logs/0.log"
    here, _, there = directory.log(0).read_text().partition("rank 1:\n")
    assert all("in waits_in_both_processes\n" in stack for stack in (here, there))


@pytest.mark.slow
@pytest.mark.usefixtures("running_ray")
def test_a_worker_that_there_is_no_room_for_holds_nobody_up_and_leaves_nothing(directory: SweepDirectory) -> None:
    launcher = WorkerLauncher(WorkerKind(cpu=2, processes=3), told(directory, PLAIN, "fated_in_processes"))
    actor = launcher.launch()
    (group,) = groups_left()
    assert group["state"] == "PENDING"
    launcher.end(actor)
    while groups_left():
        Event().wait(0.05)
    with pytest.raises(WorkerError) as refusal:
        check_room([WorkerKind(cpu=2, processes=3)])
    has = ray.cluster_resources()["CPU"]  # type: ignore[no-untyped-call]
    assert str(refusal.value) == (
        "workers: a worker needs 2 CPUs and 0 GPUs in each of 3 processes,"
        f" and Ray has {has:g} and 0 in all; ask for less."
    )
    check_room([WorkerKind(cpu=1, processes=2)])


@pytest.mark.slow
@pytest.mark.checkout
def test_the_example_runs_as_its_first_lines_say(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("caviar")
    command = [str(program), "run", str(EXAMPLE), "--storage", str(tmp_path), "--set", "budget.trials=2"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    results = Results.open(tmp_path / "ddp")
    assert results.trials().num_rows == 2
    assert results.best.value < 2.3, "that of a guess is log 10"
