"""The simulator: a virtual clock that only work advances."""

from collections.abc import Callable

import pytest

from caviar.scheduler.core.trials.assignment import Assignment, OutcomeStatus
from caviar.scheduler.execution.simulated import Config, SimulatedExecutor

Work = Callable[..., Assignment]


def falling(config: Config, seed: int) -> list[float]:
    return [1 / step for step in range(1, 10)]


def slow_for_odd_seeds(config: Config, seed: int) -> float:
    return 3.0 if seed % 2 else 1.0


def test_outcomes_arrive_in_the_order_of_virtual_time(work: Work) -> None:
    executor = SimulatedExecutor(falling, "loss", 3, slow_for_odd_seeds)
    executor.start([work(1, stop=2), work(2, stop=3), work(4, stop=2)])
    seen = [(executor.wait(1.0).outcomes[0].trial, executor.now()) for _ in range(3)]
    assert seen == [(4, 2.0), (2, 3.0), (1, 6.0)]


def test_work_that_ends_at_one_instant_ends_in_the_order_in_which_it_was_started(work: Work) -> None:
    executor = SimulatedExecutor(falling, "loss", 3)
    executor.start([work(5, stop=2), work(3, stop=2), work(4, stop=2)])
    assert [executor.wait(1.0).outcomes[0].trial for _ in range(3)] == [5, 3, 4]


def test_reports_carry_virtual_times(work: Work) -> None:
    executor = SimulatedExecutor(falling, "loss", 1, slow_for_odd_seeds)
    executor.start([work(1, stop=1)])
    executor.wait(1.0)
    executor.start([work(1, start=1, stop=3, reported=1, elapsed_s=3.0)])
    reports = executor.wait(1.0).reports
    assert reports.time.tolist() == [6_000_000, 9_000_000]
    assert reports.elapsed_s.tolist() == [6.0, 9.0]


def test_waiting_for_nothing_lets_the_time_out_pass() -> None:
    executor = SimulatedExecutor(falling, "loss", 1)
    executor.wait(0.25)
    assert executor.now() == 0.25


def test_a_promoted_trial_costs_only_the_steps_that_are_left(work: Work) -> None:
    executor = SimulatedExecutor(falling, "loss", 1)
    executor.start([work(start=3, stop=9, reported=3)])
    outcome = executor.wait(1.0).outcomes[0]
    assert (executor.now(), outcome.elapsed_s) == (6.0, 6.0)


def test_a_group_occupies_one_worker_for_the_sum_of_its_trials(work: Work) -> None:
    executor = SimulatedExecutor(falling, "loss", 2, slow_for_odd_seeds)
    executor.start([work(0, stop=2, group=0), work(1, stop=2, group=0), work(2, stop=3)])
    assert executor.capacity() == 0
    assert [outcome.trial for outcome in executor.wait(1.0).outcomes] == [2]
    arrived = executor.wait(1.0)
    assert executor.now() == 8.0
    assert [(outcome.trial, outcome.elapsed_s) for outcome in arrived.outcomes] == [(0, 2.0), (1, 6.0)]
    assert arrived.reports.time.tolist() == [1_000_000, 2_000_000, 5_000_000, 8_000_000]


def test_a_trial_that_diverges_ends_at_the_step_where_it_does(work: Work) -> None:
    executor = SimulatedExecutor(lambda config, seed: [1.0, float("inf"), 0.5], "loss", 1)
    executor.start([work(stop=3)])
    arrived = executor.wait(1.0)
    assert arrived.reports.step.tolist() == [1, 2]
    assert (arrived.outcomes[0].status, arrived.outcomes[0].step) == (OutcomeStatus.DIVERGED, 2)
    assert arrived.outcomes[0].error == "the metric is inf at step 2"


def test_what_a_curve_raises_passes_through(work: Work) -> None:
    def broken(config: Config, seed: int) -> list[float]:
        raise KeyError("lr")

    executor = SimulatedExecutor(broken, "loss", 1)
    executor.start([work()])
    with pytest.raises(KeyError, match="lr"):
        executor.wait(1.0)
