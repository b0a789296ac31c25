"""A group of lanes in one engine: what becomes of each lane is what would become of it alone."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from caviar.scheduler.core.trials.assignment import Assignment, Outcome, OutcomeStatus
from caviar.scheduler.core.trials.reports import ReportBatch
from caviar.scheduler.execution.worker import session
from caviar.scheduler.execution.worker.engine import Engine
from caviar.scheduler.execution.worker.report_queue import ReportQueue
from caviar.scheduler.execution.worker.settings import TrainingSettings
from caviar.scheduler.storage import Checkpoints, SweepDirectory
from caviar.trainers import Training

Settings = Callable[..., TrainingSettings]
Work = Callable[..., Assignment]
Facts = tuple[OutcomeStatus, int, float | None, str | None]


class SteppedInTurn:
    """Lanes that are stepped in turn, behind the interface of lanes that are one model."""

    made: ClassVar[list[int]] = []

    def __init__(self, trainings: Sequence[Training]) -> None:
        SteppedInTurn.made.append(len(trainings))
        self._lanes = list(trainings)

    def step(self) -> list[dict[str, float] | None]:
        return [lane.step() for lane in self._lanes]

    def keep(self, lanes: Sequence[int]) -> None:
        assert list(lanes) == sorted(set(lanes))
        assert 0 < len(lanes) < len(self._lanes)
        self._lanes = [self._lanes[lane] for lane in lanes]

    def part(self) -> None:
        self._lanes = []


class Bench:
    """An engine and what has come out of it."""

    def __init__(self, settings: TrainingSettings, reports: ReportQueue) -> None:
        self.reports = reports
        self.engine = Engine(settings, reports)

    def run(self, *group: Assignment) -> tuple[list[Outcome], ReportBatch]:
        return self.engine.run(group), self.reports.drain()


@pytest.fixture
def bench(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Bench]]:
    """Makes engines that fuse functions of `training_code.py`; they are closed at the end."""
    monkeypatch.setattr(session, "fuse_trainings", SteppedInTurn)
    monkeypatch.setattr(SteppedInTurn, "made", [])
    made: list[Bench] = []

    def make(function: str, fuse: bool = True, reports: ReportQueue | None = None, **facts: Any) -> Bench:
        made.append(Bench(settings(function, fuse=fuse, **facts), ReportQueue() if reports is None else reports))
        return made[-1]

    yield make
    for one in made:
        one.engine.close()


def facts(outcomes: Sequence[Outcome]) -> dict[int, Facts]:
    return {one.trial: (one.status, one.step, one.value, one.error) for one in outcomes}


def losses(reports: ReportBatch) -> dict[int, list[tuple[int, float]]]:
    """The reports of each trial, which stand in order."""
    found: dict[int, list[tuple[int, float]]] = {}
    for trial, step, loss in zip(reports.trial, reports.step, reports.metrics["loss"], strict=True):
        found.setdefault(int(trial), []).append((int(step), float(loss)))
    return found


def fates(work: Work, *fates: str, **facts: Any) -> list[Assignment]:
    """A group of trials that go as they are told."""
    return [work(trial, config={"fate": fate}, group=0, **facts) for trial, fate in enumerate(fates)]


def test_every_lane_reports_and_ends_as_it_would_alone_to_the_bit(bench: Callable[..., Bench], work: Work) -> None:
    group = [work(trial, stop=5, group=0) for trial in range(4)]
    together = bench("walk").run(*group)
    alone = bench("walk", fuse=False).run(*group)
    assert SteppedInTurn.made == [4]
    assert facts(together[0]) == facts(alone[0])
    assert losses(together[1]) == losses(alone[1])


def test_the_time_of_the_group_is_divided_among_its_lanes(bench: Callable[..., Bench], work: Work) -> None:
    outcomes, reports = bench("walk").run(*[work(trial, stop=9, group=0, elapsed_s=50.0) for trial in range(4)])
    longest = max(outcome.elapsed_s for outcome in outcomes)
    for outcome in outcomes:
        assert longest / 4 < outcome.elapsed_s <= longest
        elapsed = reports.elapsed_s[reports.trial == outcome.trial]
        assert (np.diff(elapsed) > 0).all()
        assert 50.0 < elapsed[-1] <= 50.0 + outcome.elapsed_s


def test_a_lane_that_diverges_leaves_and_the_others_go_on(bench: Callable[..., Bench], work: Work) -> None:
    one = bench("fated")
    outcomes, reports = one.run(*fates(work, "good", "diverges", "good", stop=5))
    assert facts(outcomes) == {
        0: (OutcomeStatus.COMPLETED, 5, 0.2, None),
        1: (OutcomeStatus.DIVERGED, 2, None, "loss is nan at step 2"),
        2: (OutcomeStatus.COMPLETED, 5, 0.2, None),
    }
    assert [step for step, _ in losses(reports)[1]] == [1, 2]
    assert SteppedInTurn.made == [3]


def test_a_group_in_which_every_lane_diverges_is_over(bench: Callable[..., Bench], work: Work) -> None:
    outcomes, reports = bench("fated").run(*fates(work, "diverges", "diverges"))
    assert {outcome.status for outcome in outcomes} == {OutcomeStatus.DIVERGED}
    assert len(reports) == 4


def test_a_lane_that_ends_by_itself_completes_there_now_and_when_it_is_promoted(
    bench: Callable[..., Bench], work: Work
) -> None:
    one = bench("fated")
    outcomes, _ = one.run(*fates(work, "ends", "good", "good"))
    assert facts(outcomes)[0] == (OutcomeStatus.COMPLETED, 2, 0.5, None)
    first = work(0, start=2, stop=9, rung=1, reported=2, group=0, config={"fate": "ends"})
    second = work(1, start=3, stop=9, rung=1, reported=3, group=0, config={"fate": "good"})
    outcomes, reports = one.run(first, second)
    assert facts(outcomes) == {
        0: (OutcomeStatus.COMPLETED, 2, 0.5, None),
        1: (OutcomeStatus.COMPLETED, 9, 1 / 9, None),
    }
    assert set(reports.trial.tolist()) == {1}


@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_lane_that_raises_fails_alone_and_no_report_is_made_twice(
    bench: Callable[..., Bench], work: Work, directory: SweepDirectory, place: int
) -> None:
    names = ["good"] * 5
    names[place] = "fails"
    outcomes, reports = bench("fated").run(*fates(work, *names, stop=5))
    for trial, (status, step, _, error) in facts(outcomes).items():
        assert (status, step) == ((OutcomeStatus.FAILED, 0) if trial == place else (OutcomeStatus.COMPLETED, 5))
        assert ("the learning rate is too large" in str(error)) == (trial == place)
    assert {trial: [step for step, _ in rows] for trial, rows in losses(reports).items()} == {
        trial: [1, 2, 3, 4, 5] for trial in range(5) if trial != place
    }
    assert "Going on with trials 0, 1, 2, 3, 4 in two halves." in directory.log(0).read_text()


def test_a_lane_that_raises_late_costs_the_others_no_report_and_no_bit(bench: Callable[..., Bench], work: Work) -> None:
    group = [work(trial, stop=5, group=0, config={"fails": trial == 2}) for trial in range(4)]
    outcomes, reports = bench("walk_or_fail_late").run(*group)
    walked, expected = bench("walk", fuse=False).run(*group)
    ended = facts(outcomes)
    assert (ended.pop(2)[:2], len(ended)) == ((OutcomeStatus.FAILED, 3), 3)
    assert ended == {trial: fact for trial, fact in facts(walked).items() if trial != 2}
    rows, all_rows = losses(reports), losses(expected)
    assert rows.pop(2) == all_rows.pop(2)[:3]
    assert rows == all_rows


def test_a_group_that_does_not_fit_into_memory_is_trained_in_parts_that_do(
    bench: Callable[..., Bench], work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SmallMemory(SteppedInTurn):
        def __init__(self, trainings: Sequence[Training]) -> None:
            if len(trainings) > 2:
                raise MemoryError(f"no room for {len(trainings)} lanes")
            super().__init__(trainings)

    monkeypatch.setattr(session, "fuse_trainings", SmallMemory)
    one, config = bench("notes_its_end"), {"folder": str(tmp_path)}
    one.run(work(9, config=config))
    outcomes, reports = one.run(*[work(trial, group=0, config=config) for trial in range(5)])
    assert {(outcome.status, outcome.step) for outcome in outcomes} == {(OutcomeStatus.COMPLETED, 3)}
    assert {trial: [step for step, _ in rows] for trial, rows in losses(reports).items()} == {
        trial: [1, 2, 3] for trial in range(5)
    }
    assert SteppedInTurn.made == [2, 2], "and the fifth alone"
    assert (tmp_path / "9").exists(), "what was warm made room first"


def test_what_a_lane_prints_goes_to_the_log_of_the_groups_first_trial(
    bench: Callable[..., Bench], work: Work, directory: SweepDirectory
) -> None:
    bench("talkative").run(*[work(trial, stop=1, group=3) for trial in (3, 5)])
    printed = directory.log(3).read_text()
    assert "trial 3 prints" in printed
    assert "trial 5 prints" in printed
    assert not directory.log(5).exists()


def test_a_pause_saves_every_lane_and_the_group_goes_on_elsewhere_to_the_bit(
    bench: Callable[..., Bench], work: Work
) -> None:
    group = [work(trial, stop=9, group=0) for trial in range(3)]
    _, whole = bench("walk").run(*group)

    class PausingQueue(ReportQueue):
        def append(self, assignment: Assignment, step: int, *rest: Any) -> None:
            super().append(assignment, step, *rest)
            if step == 4:
                one.engine.pause()

    one = bench("walk", reports=PausingQueue())
    outcomes, before = one.run(*group)
    assert {(outcome.status, outcome.step) for outcome in outcomes} == {(OutcomeStatus.INTERRUPTED, 4)}
    again = [work(trial, start=4, stop=9, reported=4, group=0) for trial in range(3)]
    outcomes, after = bench("walk").run(*again)
    assert {outcome.status for outcome in outcomes} == {OutcomeStatus.COMPLETED}
    rows = losses(before)
    for trial, late in losses(after).items():
        rows[trial] += late
    assert rows == losses(whole)
    outcomes, nothing = one.run(*again)
    assert {outcome.status for outcome in outcomes} == {OutcomeStatus.INTERRUPTED}
    assert len(nothing) == 0


def test_lanes_that_stand_at_different_steps_are_different_models(
    bench: Callable[..., Bench], work: Work, directory: SweepDirectory
) -> None:
    group = [work(trial, stop=3, group=0) for trial in range(4)]
    _, whole = bench("walk", fuse=False).run(*[work(trial, stop=9, group=0) for trial in range(4)])
    bench("walk").run(*group)
    for trial in (1, 2):
        for file in Checkpoints(directory.checkpoints, directory.staging).path(trial, 3).iterdir():
            file.write_bytes(b"damaged")
    SteppedInTurn.made.clear()
    outcomes, reports = bench("walk").run(
        *[work(trial, start=3, stop=9, rung=1, reported=3, group=0) for trial in range(4)]
    )
    assert SteppedInTurn.made == [2, 2]
    assert {(outcome.status, outcome.step) for outcome in outcomes} == {(OutcomeStatus.COMPLETED, 9)}
    assert losses(reports) == {trial: rows[3:] for trial, rows in losses(whole).items()}


def test_every_survivor_of_a_group_stays_open_however_few_trials_are_kept_warm_otherwise(
    bench: Callable[..., Bench], work: Work, tmp_path: Path
) -> None:
    config = {"folder": str(tmp_path)}
    one = bench("notes_its_end", warm=1)
    one.run(*[work(trial, stop=1, config=config, group=0) for trial in range(3)])
    one.run(*[work(trial, stop=1, config=config, group=3) for trial in range(3, 6)])
    assert not [file for file in tmp_path.iterdir() if file.name.isdecimal()]
    none = bench("notes_its_end", warm=0)
    none.run(*[work(trial, stop=1, config=config, group=6) for trial in range(6, 8)])
    assert sorted(file.name for file in tmp_path.iterdir() if file.name.isdecimal()) == ["6", "7"]


def test_a_lane_that_cannot_be_saved_or_has_no_value_fails_alone(bench: Callable[..., Bench], work: Work) -> None:
    group = [work(trial, group=0, config={"trouble": trouble}) for trial, trouble in enumerate(["", "save", "value"])]
    outcomes, _ = bench("troubled_at_its_end").run(*group)
    assert [outcome.status for outcome in outcomes] == [
        OutcomeStatus.COMPLETED,
        OutcomeStatus.FAILED,
        OutcomeStatus.FAILED,
    ]
    assert "no room for the state" in str(outcomes[1].error)
    assert "has no 'loss'" in str(outcomes[2].error)
    assert SteppedInTurn.made == [3]


def test_without_fusing_the_trials_of_a_group_are_trained_one_after_the_other(
    bench: Callable[..., Bench], work: Work
) -> None:
    outcomes, reports = bench("walk", fuse=False).run(*[work(trial, group=0) for trial in range(3)])
    assert SteppedInTurn.made == []
    assert reports.trial.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert {outcome.status for outcome in outcomes} == {OutcomeStatus.COMPLETED}
