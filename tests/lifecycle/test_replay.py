"""Replaying a journal: whatever instant a run is cut at, the sweep that goes on ends with the same table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caviar.scheduler.core.controllers.grouping import Grouping
from caviar.scheduler.core.controllers.registry import ControllerName, SearchConfig, make_controller
from caviar.scheduler.core.controllers.schedule import Budget, Resource
from caviar.scheduler.core.proposers.model import ModelProposer
from caviar.scheduler.core.proposers.proposal import DesignProposer, Proposal, Proposer, Request
from caviar.scheduler.core.state import SweepState
from caviar.scheduler.core.trials.trial import TrialRow
from caviar.scheduler.errors import JournalError
from caviar.scheduler.execution.interrupts import Interrupts
from caviar.scheduler.execution.loop import SweepLoop
from caviar.scheduler.execution.record import DurableRecord
from caviar.scheduler.execution.simulated import Config, SimulatedExecutor
from caviar.scheduler.execution.snapshot import StopReason
from caviar.scheduler.lifecycle.recorded import RecordedSweep
from caviar.scheduler.lifecycle.replay import History, replay
from caviar.scheduler.results import ReportWriter, Results, drop_uncovered, find_parts
from caviar.scheduler.storage import Journal, SweepDirectory, read_journal
from caviar.search_spaces import SearchSpace, Uniform

SPACE = SearchSpace({"x": Uniform(0.0, 1.0)})
PROPOSER = ModelProposer(SPACE, full=9, seed=3)
CONTROLLERS: list[ControllerName] = ["coarse_to_fine", "hyperband", "random"]


class Killed(BaseException):
    """The process ends here."""


class KilledRecord(DurableRecord):
    """A record whose process is killed at its n-th commit, after the part was written and before the journal was."""

    commits = 10**9

    def commit(self, now: float) -> Sequence[Any]:
        self.commits -= 1
        if self.commits == 0:
            self._writer.flush()
            raise Killed
        return super().commit(now)


def new_state(
    controller: ControllerName = "hyperband", seed: int = 3, trials: int | None = None, group_size: int = 1
) -> SweepState:
    learns = controller in {"coarse_to_fine", "asha"}
    search = SearchConfig(
        SPACE,
        Resource(1, 9, 3),
        Budget(trials=trials or (35 if learns else 16)),
        seed,
        controller,
        learns,
        pipeline=2,
        grouping=Grouping(group_size),
    )
    return SweepState(make_controller(search), "min", seed, max_failures=1)


def test_a_replay_knows_preemptions_and_failures_that_a_rule_has_decided() -> None:
    state = new_state()
    outcomes = [
        {"trial": 0, "rung": 0, "attempt": 0, "status": "preempted", "step": 0, "error": "its node died"},
        {"trial": 1, "rung": 0, "attempt": 0, "status": "failed", "step": 0, "error": "KeyError", "action": "fail"},
        {"trial": 2, "rung": 0, "attempt": 0, "status": "failed", "step": 0, "error": "no license", "action": "stop"},
    ]
    configs = {str(trial): new_state().decide(3)[trial].config for trial in range(3)}
    first = {"type": "decided", "free": 3, "assignments": [[0, 0, 0], [1, 0, 0], [2, 0, 0]], "configs": configs}
    again = {"type": "decided", "free": 2, "assignments": [[0, 0, 0], [2, 0, 0]], "configs": {}}
    replay([{"type": "opened", "time": 0.0}, first, {"type": "ended", "outcomes": outcomes}, again], state)
    assert [(row.state.value, row.attempt) for row in state.rows] == [("pending", 0), ("failed", 0), ("pending", 0)]


def curve(config: Config, seed: int) -> list[float]:
    """Some trials diverge, some fail."""
    draw = Random(seed)
    values = [draw.random() for _ in range(9)]
    if draw.random() < 0.3:
        values[draw.randrange(9)] = float("nan")
    return [] if draw.random() < 0.1 else values


def cost(config: Config, seed: int) -> float:
    return 0.1 + Random(seed).random()


def run(
    path: Path, state: SweepState, workers: int, commits: int = 10**9, proposer: Proposer | None = PROPOSER
) -> None:
    """One run of a sweep in its directory, as far as it gets."""
    directory = SweepDirectory(path)
    directory.create()
    replay(read_journal(directory.journal), state)
    drop_uncovered(directory, find_parts(directory, {}), state.covered())
    writer = ReportWriter(directory, SPACE.value_types, "loss")
    for row in state.rows:
        writer.register(row.trial, row.config)
    journal = Journal.open(directory.journal)
    journal.append({"type": "opened", "time": 0.0})
    journal.commit()
    record = KilledRecord(directory, journal, writer, SPACE.value_types)
    record.commits = commits
    try:
        SweepLoop(state, SimulatedExecutor(curve, "loss", workers, cost, proposer), record, Interrupts()).run()
    except Killed:
        return
    record.release()


def timeless(rows: Sequence[TrialRow]) -> list[TrialRow]:
    return [replace(row, elapsed_s=0.0) for row in rows]


@pytest.mark.parametrize("group_size", [1, 4])
@pytest.mark.parametrize("controller", CONTROLLERS)
@settings(max_examples=5)
@given(kills=st.lists(st.tuples(st.integers(1, 20), st.sampled_from([1, 2, 5])), min_size=1, max_size=3))
def test_a_run_that_is_killed_anywhere_any_number_of_times_ends_with_the_same_table(
    uncut: Callable[[ControllerName], tuple[SweepState, Any]],
    controller: ControllerName,
    group_size: int,
    kills: list[tuple[int, int]],
) -> None:
    expected, reports = uncut(controller)
    with TemporaryDirectory() as folder:
        for commits, workers in kills:
            run(Path(folder), new_state(controller, group_size=group_size), workers, commits)
        state = new_state(controller, group_size=group_size)
        run(Path(folder), state, workers=3)
        assert state.finished
        assert timeless(state.rows) == timeless(expected.rows)
        assert reports_in(Path(folder)).equals(reports)


@pytest.fixture(scope="session")
def uncut(tmp_path_factory: pytest.TempPathFactory) -> Callable[[ControllerName], tuple[SweepState, Any]]:
    """The state and the reports of a run that nobody kills."""

    @cache
    def make(controller: ControllerName) -> tuple[SweepState, Any]:
        path, state = tmp_path_factory.mktemp(controller), new_state(controller)
        run(path, state, workers=3)
        return state, reports_in(path)

    return make


def reports_in(path: Path) -> Any:
    return Results.open(path).reports().select(["trial", "step", "loss", "config_x"])


@pytest.fixture
def events(tmp_path: Path) -> list[Any]:
    """The journal of a whole run."""
    return events_of(tmp_path, "hyperband")


def events_of(path: Path, controller: ControllerName) -> list[Any]:
    run(path, new_state(controller), workers=3)
    return list(read_journal(path / "journal"))


@pytest.mark.parametrize(("controller", "every"), [("hyperband", 1), ("coarse_to_fine", 12)])
@pytest.mark.slow
def test_a_journal_that_is_cut_after_any_event_is_replayed_into_a_sweep_that_ends_the_same(
    tmp_path: Path, controller: ControllerName, every: int, finish_alone: Callable[[SweepState], None]
) -> None:
    events, whole = events_of(tmp_path, controller), new_state(controller)
    replay(events, whole)
    assert whole.finished
    for length in range(0, len(events), every):
        state = new_state(controller)
        replay(events[:length], state)
        assert not state.outstanding
        finish_alone(state)
        assert timeless(state.rows) == timeless(whole.rows)


@pytest.fixture
def finish_alone() -> Callable[[SweepState], None]:
    """Finishes a sweep with one worker, nothing recorded."""

    def finish(state: SweepState) -> None:
        executor = SimulatedExecutor(curve, "loss", 1, cost)
        while not state.finished:
            if state.wanted is not None:
                state.accept(PROPOSER.propose(state.request()))
            executor.start(state.decide(1))
            for outcome in executor.wait(1.0).outcomes:
                state.handle(outcome)

    return finish


@pytest.mark.parametrize("controller", ["coarse_to_fine", "asha"])
def test_a_replay_takes_proposals_from_the_journal_and_learns_what_they_say(
    tmp_path: Path, controller: ControllerName
) -> None:
    events, live = events_of(tmp_path, controller), new_state(controller)
    proposed = [event["proposal"] for event in events if event["type"] == "proposed"]
    assert proposed
    replay(events, live)
    assert live.finished
    assert list(live.insights) == [proposal["number"] for proposal in proposed]
    for insight, proposal in zip(live.insights.values(), proposed, strict=True):
        assert insight.change == proposal["change"]
        assert insight.region.to_json() == proposal["region"]


@pytest.mark.parametrize("controller", ["coarse_to_fine", "asha"])
def test_proposals_without_points_are_replayed_too(tmp_path: Path, controller: ControllerName) -> None:
    state, again = new_state(controller), new_state(controller)
    run(tmp_path, state, workers=3, proposer=Faltering())
    events = list(read_journal(tmp_path / "journal"))
    counts = [len(event["proposal"]["points"]) for event in events if event["type"] == "proposed"]
    assert 0 in counts
    assert max(counts) > 0
    replay(events, again)
    assert timeless(again.rows) == timeless(state.rows)


class Faltering:
    """Makes every other proposal."""

    def propose(self, request: Request) -> Proposal:
        return (PROPOSER if request.number % 2 else DesignProposer()).propose(request)


def test_what_was_running_when_the_journal_ends_is_queued_again(events: list[Any]) -> None:
    state = new_state()
    first = next(place for place, event in enumerate(events) if event["type"] == "decided")
    replay(events[: first + 1], state)
    assert [row.state.value for row in state.rows] == ["pending"] * 3
    assert [work.trial for work in state.decide(3)] == [0, 1, 2]


def test_another_seed_is_refused(events: list[Any]) -> None:
    with pytest.raises(JournalError, match=r"^The journal says that trial 0 is \{'x': .*\} where this spec makes it"):
        replay(events, new_state(seed=4))


def test_another_schedule_is_refused(events: list[Any]) -> None:
    with pytest.raises(JournalError, match=r"^The journal says that trials .* were started where this spec starts"):
        replay(events, new_state("coarse_to_fine", trials=5))


def test_an_event_of_an_unknown_type_is_refused() -> None:
    with pytest.raises(JournalError, match="'zoomed', which this version does not know: update Caviar"):
        replay([{"type": "opened", "time": 0.0}, {"type": "zoomed"}], new_state())


def opened(time: float) -> Mapping[str, Any]:
    return {"type": "opened", "time": time}


def test_the_history_adds_up_the_time_of_all_runs_and_says_how_the_last_one_ended() -> None:
    closed = {"type": "closed", "time": 160.0, "reason": StopReason.INTERRUPTED.value}
    killed = [opened(1_000.0), {"type": "ended", "time": 1_030.0, "outcomes": []}]
    assert replay([], new_state()) == History()
    assert replay([opened(100.0), closed], new_state()) == History(1, 60.0, "interrupted")
    assert replay([opened(100.0), closed, *killed], new_state()) == History(2, 90.0, None)
    assert replay([opened(100.0), closed, *killed, opened(5_000.0)], new_state()) == History(3, 90.0, None)


def test_the_runs_of_these_tests_hold_trials_of_every_fate(
    uncut: Callable[[ControllerName], tuple[SweepState, Any]],
) -> None:
    fates = {row.state.value for row in uncut("hyperband")[0].rows}
    assert fates == {"completed", "stopped", "failed", "diverged"}


def test_a_sweep_that_learns_and_whose_brackets_open_in_waves_is_replayed(
    recorded: Callable[..., Path], tmp_path: Path
) -> None:
    fuse = {"size": 4, "static": ["kind"], "padded": ["width"]}
    path = recorded(tmp_path, controller="coarse_to_fine", fuse=fuse, budget={"trials": 60})
    assert sum(event["type"] == "proposed" for event in read_journal(path / "journal")) >= 3
    assert RecordedSweep(SweepDirectory(path)).state.finished
