"""Whole sweeps in the process of the test: the table of trials is that of the workers of Ray."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from caviar.scheduler import Callback, Results, StopReason, Sweep, SweepError, SweepStoppedError
from caviar.scheduler.core.trials.reports import ReportBatch
from caviar.search_spaces import Log
from caviar.trainers import Trial

from .lane_sweeps import lanes

Table = list[dict[str, Any]]
COLUMNS = ["trial", "bracket", "rung", "step", "state", "attempt", "value", "best_value", "best_step"]
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """A worker with one CPU has one thread, and sums in another order have other last digits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run(sweep: Sweep) -> StopReason | None:
    """Runs a sweep in this process, from where it stands."""
    with suppress(SweepStoppedError):
        sweep.run(executor="in_process")
    return sweep.stop_reason


def table(results: Results) -> Table:
    rows: Table = results.trials().select(COLUMNS).to_pylist()
    return rows


@pytest.mark.usefixtures("running_ray")
def test_a_sweep_has_the_table_of_rays_workers(
    sweep_of: Callable[..., Sweep], check_reports: Callable[[Results], None], tmp_path: Path
) -> None:
    on_ray = sweep_of(tmp_path / "ray").run()
    sweep = sweep_of(tmp_path / "here")
    assert run(sweep) is StopReason.FINISHED
    assert table(sweep.results) == table(on_ray)
    check_reports(sweep.results)
    columns = ["trial", "step", "val_loss"]
    assert (
        sweep.results.reports()
        .select(columns)
        .sort_by([("trial", "ascending"), ("step", "ascending")])
        .equals(on_ray.reports().select(columns).sort_by([("trial", "ascending"), ("step", "ascending")]))
    )


def interrupted_at(places: set[tuple[int, int]], stop: Path) -> Callable[[Trial], Iterator[dict[str, float]]]:
    """Training code during which somebody asks the sweep to stop, in certain steps of certain trials, each once."""

    def descend(trial: Trial) -> Iterator[dict[str, float]]:
        state = {"loss": 4.0}
        trial.track(state=state)
        for step in trial.steps():
            if (trial.number, step) in places:
                places.remove((trial.number, step))
                stop.touch()
            state["loss"] *= 1 - float(str(trial.config["lr"]))
            yield {"val_loss": state["loss"]}

    return descend


def test_a_sweep_that_is_interrupted_goes_on_to_the_same_table(
    check_reports: Callable[[Results], None], tmp_path: Path
) -> None:
    def sweep(name: str, places: set[tuple[int, int]]) -> Sweep:
        fields: dict[str, Any] = {"metric": "val_loss", "resource": {"max": 9}, "budget": {"trials": 24}, "seed": 5}
        code = interrupted_at(places, tmp_path / name / "stop")
        return Sweep(code, space={"lr": Log(1e-3, 0.5)}, storage=tmp_path, name=name, **fields)

    whole, parts = sweep("whole", set()), sweep("parts", {(2, 1), (9, 2), (9, 5), (20, 1)})
    assert run(whole) is StopReason.FINISHED
    runs = 0
    while run(parts) is StopReason.INTERRUPTED:
        check_reports(parts.results)
        runs += 1
    assert runs >= 2
    assert table(parts.results) == table(whole.results)
    check_reports(parts.results)


def test_failures_are_tried_again_as_often_as_the_spec_says(sweep_of: Callable[..., Sweep], tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, "plain_code.py:descend_or_fail", budget={"trials": 9}, max_failures=2)
    assert run(sweep) is StopReason.FINISHED
    rows = sweep.results.trials().to_pylist()
    assert {(row["state"], row["attempt"], row["value"]) for row in rows[1::2]} == {("failed", 2, None)}
    assert not {row["state"] for row in rows[0::2]} & {"failed", "diverged"}


def test_a_rule_that_stops_the_sweep_stops_it(sweep_of: Callable[..., Sweep], tmp_path: Path) -> None:
    rules = [{"match": "is odd", "do": "stop"}]
    sweep = sweep_of(tmp_path, "plain_code.py:descend_or_fail", on_error=rules)
    assert run(sweep) is StopReason.FAILURE


@pytest.mark.usefixtures("running_ray")
def test_a_sweep_of_fused_groups_has_the_table_of_rays_workers(
    check_reports: Callable[[Results], None], tmp_path: Path
) -> None:
    budget = {"trials": 24}
    on_ray, sweep = lanes(tmp_path / "ray", budget=budget).run(), lanes(tmp_path / "here", budget=budget)
    assert run(sweep) is StopReason.FINISHED
    assert table(sweep.results) == table(on_ray)
    assert "diverged" in {row["state"] for row in table(sweep.results)}
    check_reports(sweep.results)


def test_a_group_size_is_measured_here(tmp_path: Path) -> None:
    sweep = lanes(tmp_path, fuse="auto", budget={"trials": 9})
    assert run(sweep) is StopReason.FINISHED
    assert isinstance(sweep.spec.fuse.size, int)


def test_callbacks_are_told_here_too(sweep_of: Callable[..., Sweep], tmp_path: Path) -> None:
    class Steps(Callback):
        told = 0

        def on_reports(self, reports: ReportBatch) -> None:
            self.told += len(reports)

    steps, sweep = Steps(), sweep_of(tmp_path, "plain_code.py:descend")
    results = sweep.run(callbacks=[steps], executor="in_process")
    assert steps.told == len(results.reports())


def test_an_executor_that_is_none_and_one_that_cannot_train_the_sweep_are_refused(
    sweep_of: Callable[..., Sweep], tmp_path: Path
) -> None:
    with pytest.raises(SweepError, match=r"^executor: must be ray or in_process, got 'dask'\.$"):
        sweep_of(tmp_path).run(executor="dask")  # type: ignore[arg-type]
    several = sweep_of(tmp_path, "plain_code.py:descend", workers={"processes": 2})
    with pytest.raises(SweepError, match=r"^executor: in_process trains .* workers\.processes asks for 2"):
        several.run(executor="in_process")
