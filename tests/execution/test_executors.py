"""What every executor promises the loop, whichever it is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from caviar.scheduler.core.placement.kinds import WorkerKind
from caviar.scheduler.core.trials.assignment import Assignment, Outcome, OutcomeStatus
from caviar.scheduler.core.trials.reports import ReportBatch
from caviar.scheduler.execution.executor import Executor
from caviar.scheduler.execution.in_process import InProcessExecutor
from caviar.scheduler.execution.pool.executor import RayExecutor
from caviar.scheduler.execution.simulated import Config, SimulatedExecutor
from caviar.scheduler.execution.worker.settings import TrainingSettings
from caviar.scheduler.storage import SweepDirectory
from caviar.trainers import load_trainer

Work = Callable[..., Assignment]
WORKERS = {"simulated": 2, "ray": 2, "in process": 1}
"""The executors, and how many workers each has here."""


def fated_curve(config: Config, seed: int) -> list[float]:
    """The same fates as `fated` in training_code.py."""
    fate = config["fate"]
    if fate == "fails":
        return []
    curve = [1 / step for step in range(1, 10)]
    return curve[:2] if fate == "ends" else [curve[0], float("nan")] if fate == "diverges" else curve


@pytest.fixture(scope="module", params=WORKERS)
def kind(request: pytest.FixtureRequest) -> str:
    """The executor that is held to the promises."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def workers(kind: str) -> int:
    """The number of its workers."""
    return WORKERS[kind]


@pytest.fixture(scope="module")
def executors(
    kind: str, workers: int, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Executor]]:
    """Makes executors of one kind."""
    made: list[Executor] = []

    def settings() -> TrainingSettings:
        directory = SweepDirectory(tmp_path_factory.mktemp("sweep"))
        directory.create()
        trainer = load_trainer(f"{Path(__file__).with_name('training_code.py')}:fated")
        return TrainingSettings(trainer, "loss", 9, directory.path)

    makers: dict[str, Callable[[], Executor]] = {
        "simulated": lambda: SimulatedExecutor(fated_curve, "loss", workers),
        "ray": lambda: RayExecutor(settings(), [WorkerKind(cpu=0.25, count=workers)]),
        "in process": lambda: InProcessExecutor(settings()),
    }

    def make() -> Executor:
        made.append(makers[kind]())
        return made[-1]

    if kind == "ray":
        request.getfixturevalue("running_ray")
    yield make
    for executor in made:
        executor.close()


@pytest.fixture(scope="module")
def executor(executors: Callable[[], Executor]) -> Executor:
    """One that has done other tests' work before, as it has that of other trials in a sweep."""
    return executors()


def carry_out(executor: Executor, assignments: Sequence[Assignment]) -> tuple[list[Outcome], ReportBatch]:
    """Starts each assignment when there is room, and waits for all of them; looks at every arrival."""
    waiting, outcomes, batches = list(assignments), list[Outcome](), list[ReportBatch]()
    expected = {assignment.trial: assignment for assignment in assignments}
    while len(outcomes) < len(assignments):
        room = executor.capacity()
        assert room >= 0
        if room and waiting:
            executor.start(waiting[:room])
            del waiting[:room]
            assert executor.capacity() >= 0
        arrived = executor.wait(1.0)
        batches.append(arrived.reports)
        for outcome in arrived.outcomes:
            assignment = expected[outcome.trial]
            assert (outcome.rung, outcome.attempt) == (assignment.rung, assignment.attempt)
            reports = ReportBatch.concatenate([batch for batch in batches if len(batch)])
            steps = reports.step[reports.trial == outcome.trial].tolist()
            assert steps == list(range(max(assignment.start, assignment.reported) + 1, outcome.step + 1))
        outcomes += arrived.outcomes
    return outcomes, ReportBatch.concatenate([batch for batch in batches if len(batch)])


def test_each_assignment_ends_in_one_outcome_no_earlier_than_its_reports(executor: Executor, work: Work) -> None:
    fates = ["good", "good", "diverges", "fails", "ends", "good", "good"]
    assignments = [work(trial, stop=5, config={"fate": fate}) for trial, fate in enumerate(fates)]
    outcomes, _ = carry_out(executor, assignments)
    ended = {outcome.trial: (outcome.status, outcome.step, outcome.value) for outcome in outcomes}
    completed = (OutcomeStatus.COMPLETED, 5, 0.2)
    assert ended == {
        0: completed,
        1: completed,
        2: (OutcomeStatus.DIVERGED, 2, None),
        3: (OutcomeStatus.FAILED, 0, None),
        4: (OutcomeStatus.COMPLETED, 2, 0.5),
        5: completed,
        6: completed,
    }
    assert all(bool(outcome.error) == (outcome.status in {"failed", "diverged"}) for outcome in outcomes)
    assert len(executor.wait(0.01).outcomes) == 0


def test_a_trial_goes_on_where_its_last_assignment_stopped(executor: Executor, work: Work) -> None:
    first = work(10, config={"fate": "good"})
    carry_out(executor, [first])
    outcomes, reports = carry_out(executor, [replace(first, start=3, stop=9, rung=1, reported=3)])
    assert (outcomes[0].step, outcomes[0].value) == (9, 1 / 9)
    assert (outcomes[0].lowest, outcomes[0].highest) == (1 / 9, 1.0), "of all steps, those before it too"
    assert reports.metrics["loss"].tolist() == [1 / step for step in range(4, 10)]


def test_reports_that_a_failed_attempt_made_are_not_made_again(executor: Executor, work: Work) -> None:
    _, reports = carry_out(executor, [work(20, stop=5, attempt=1, reported=3, config={"fate": "good"})])
    assert reports.step.tolist() == [4, 5]
    assert reports.attempt.tolist() == [1, 1]


def test_a_trial_that_ended_by_itself_completes_again_at_the_same_step_when_promoted(
    executor: Executor, work: Work
) -> None:
    first = work(30, config={"fate": "ends"})
    carry_out(executor, [first])
    outcomes, reports = carry_out(executor, [replace(first, start=2, stop=9, rung=1, reported=2)])
    assert (outcomes[0].status, outcomes[0].step, outcomes[0].value) == (OutcomeStatus.COMPLETED, 2, 0.5)
    assert len(reports) == 0


def test_capacity_is_taken_by_work_and_given_back_by_outcomes(
    executors: Callable[[], Executor], workers: int, work: Work
) -> None:
    executor = executors()
    while executor.workers < workers or executor.capacity() < workers:
        executor.wait(1.0)
    assert executor.idle()
    executor.start([work(trial, config={"fate": "good"}) for trial in range(workers)])
    assert executor.capacity() == 0
    assert not executor.idle()
    ended = 0
    while ended < workers:
        ended += len(executor.wait(1.0).outcomes)
    assert executor.capacity() >= workers
    assert executor.idle()


def test_a_group_takes_the_room_of_one_and_its_outcomes_arrive_together(
    executors: Callable[[], Executor], workers: int, work: Work
) -> None:
    executor = executors()
    while executor.workers < workers or executor.capacity() < workers:
        executor.wait(1.0)
    fates = ["good", "diverges", "fails", "ends"]
    first = [work(trial, stop=5, group=0, config={"fate": fate}) for trial, fate in enumerate(fates)]
    second = [work(trial, stop=5, group=4, config={"fate": "good"}) for trial in range(4, 7)]
    waiting, arrived = [first, second], list[list[int]]()
    while len(arrived) < 2:
        if waiting and (room := min(executor.capacity(), len(waiting))):
            executor.start([one for group in waiting[:room] for one in group])
            del waiting[:room]
            assert executor.capacity() == workers - room
        outcomes = executor.wait(1.0).outcomes
        for group in (first, second):
            if here := [outcome.trial for outcome in outcomes if outcome.trial in {work.trial for work in group}]:
                assert here == [work.trial for work in group]
                arrived.append(here)
    assert executor.capacity() >= workers
    assert len(executor.wait(0.01).outcomes) == 0


def test_cancelled_work_ends_as_interrupted_and_nothing_runs_after(
    executors: Callable[[], Executor], work: Work
) -> None:
    executor = executors()
    while executor.capacity() == 0:
        executor.wait(1.0)
    room = executor.capacity()
    assignments = [work(trial, stop=10**6, config={"fate": "endless"}) for trial in range(room)]
    executor.start(assignments)
    executor.cancel()
    assert executor.capacity() == 0
    outcomes = list[Outcome]()
    reports: dict[int, list[int]] = {assignment.trial: [] for assignment in assignments}
    while len(outcomes) < room:
        arrived = executor.wait(1.0)
        outcomes += arrived.outcomes
        for trial, step in zip(arrived.reports.trial.tolist(), arrived.reports.step.tolist(), strict=True):
            reports[trial].append(step)
    assert {outcome.status for outcome in outcomes} == {OutcomeStatus.INTERRUPTED}
    assert {outcome.trial: outcome.step for outcome in outcomes} == {
        trial: len(steps) for trial, steps in reports.items()
    }
    assert executor.capacity() == 0
    after = executor.wait(0.5)
    assert (len(after.reports), len(after.outcomes)) == (0, 0)


def test_the_clock_never_goes_back_and_elapsed_time_adds_up(executor: Executor, work: Work) -> None:
    began = executor.now()
    outcomes, reports = carry_out(executor, [work(40, stop=3, config={"fate": "good"}, elapsed_s=100.0)])
    assert executor.now() >= began
    assert 100.0 <= reports.elapsed_s[-1] <= 100.0 + outcomes[0].elapsed_s
