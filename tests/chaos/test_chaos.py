"""The short form of the chaos tests: about ten real kills; `make chaos` is the long form."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from .campaign import Campaign, Target, campaigns, plan_campaign
from .checks import CHECKS, violations
from .grounds import PrivateRay, SharedCluster
from .harness import chaos_variables
from .snapshot import Snapshot
from .story import Story, conduct
from .subjects import SUBJECTS

DRIVER, WORKER, RAYLET, DRIVER_WRITE, WORKER_WRITE = Target
SEED = 5


def outcome(trial: int, step: int, rung: int = 0) -> dict[str, object]:
    return {"trial": trial, "rung": rung, "status": "completed", "step": step, "value": 0.5}


def decided(*assignments: tuple[int, int]) -> dict[str, object]:
    return {"type": "decided", "assignments": [[trial, rung, 0] for trial, rung in assignments]}


def ended(*outcomes: dict[str, object]) -> dict[str, object]:
    return {"type": "ended", "outcomes": list(outcomes)}


def row(trial: int, step: int, **fields: object) -> dict[str, object]:
    own = {"trial": trial, "state": "stopped", "step": step, "value": 0.5, "attempt": 0}
    return {**own, "parent": None, "parent_step": None, **fields}


@pytest.fixture
def killed() -> Snapshot:
    """One trial has come to step 1 and the other one is on its way."""
    events = [decided((0, 0), (1, 0)), ended(outcome(0, 1))]
    rows = {(0, 1): (0.5,), (1, 1): (0.5,)}
    return Snapshot(True, events, rows, [row(0, 1)], "killed", [(0, 1), (1, 1)], [])


@pytest.fixture
def story(killed: Snapshot) -> Story:
    """A story of two trials in which every promise is kept."""
    events = [*killed.events, decided((1, 0)), ended(outcome(1, 3))]
    rows = {(0, 1): (0.5,), **{(1, step): (0.5,) for step in (1, 2, 3)}}
    trained = [*killed.trained, (1, 1), (1, 2), (1, 3)]
    final = Snapshot(True, events, rows, [row(0, 1), row(1, 3)], "finished", trained, [])
    subject = replace(SUBJECTS["generator"], fields={"budget": {"trials": 2}})
    return Story(Campaign(0, "generator", True, ()), subject, [], [killed, final], 1, [])


def test_a_campaign_follows_from_its_seed_and_its_kills_come_in_order() -> None:
    first, same = (plan_campaign(7, "generator", list(Target) * 2, private=True) for _ in range(2))
    assert first == same
    assert first != plan_campaign(8, "generator", list(Target) * 2, private=True)
    moments = [kill.after for kill in first.kills if kill.target is not DRIVER_WRITE]
    assert moments == sorted(moments)
    many = campaigns(1, list(Target) * 3, ["class", "asha"], most=4, private=False)
    assert sorted(kill.target for one in many for kill in one.kills) == sorted(list(Target) * 3)


def test_a_story_in_which_every_promise_is_kept_has_no_violation(story: Story) -> None:
    assert violations(story, story) == []


DOCTORED: dict[str, tuple[Callable[[Snapshot], Snapshot], Callable[[Snapshot], Snapshot]]] = {
    "everything_can_be_read": (lambda one: replace(one, errors=["the journal cannot be read"]), lambda one: one),
    "no_journaled_event_is_lost": (lambda one: one, lambda one: replace(one, events=one.events[1:])),
    "no_finished_assignment": (lambda one: one, lambda one: replace(one, events=[*one.events, decided((0, 0))])),
    "acknowledged_reports_stay": (lambda one: one, lambda one: replace(one, rows={**one.rows, (0, 1): (0.7,)})),
    "each_step_is_reported_once: duplicated": (
        lambda one: replace(one, rows={**one.rows, (1, 1): (0.5, 0.5)}),
        lambda one: one,
    ),
    "each_step_is_reported_once: lost": (
        lambda one: one,
        lambda one: replace(one, rows={key: value for key, value in one.rows.items() if key != (1, 2)}),
    ),
    "the_sweep_ends": (lambda one: one, lambda one: replace(one, trials=[row(0, 1), row(1, 3, state="failed")])),
    "the_table_of_trials": (lambda one: one, lambda one: replace(one, trials=[row(0, 1), row(1, 3, value=0.6)])),
    "at_most_one_interval": (lambda one: one, lambda one: replace(one, trained=[*one.trained, (0, 1)])),
}


@pytest.mark.parametrize("promise", DOCTORED)
def test_each_broken_promise_is_found(story: Story, promise: str) -> None:
    middle, last = DOCTORED[promise]
    doctored = replace(story, snapshots=[middle(story.snapshots[0]), last(story.snapshots[1])])
    assert any(sentence.startswith(promise) for sentence in violations(doctored, story))


def test_there_is_a_broken_promise_for_every_check() -> None:
    promises = tuple(name.partition(":")[0] for name in DOCTORED)
    assert [check.__name__ for check in CHECKS if not check.__name__.startswith(promises)] == []


@pytest.fixture(scope="module")
def chaos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder through which faults are armed."""
    return tmp_path_factory.mktemp("chaos")


@pytest.fixture(scope="module")
def cluster(chaos: Path) -> Iterator[SharedCluster]:
    """A cluster of two nodes."""
    cluster = SharedCluster({**chaos_variables(chaos), "CAVIAR_CHAOS_DRIVER": "0"})
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def reference(cluster: SharedCluster, chaos: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A run that nothing disturbs."""
    return conduct(Campaign(0, "generator", False, ()), cluster, tmp_path_factory.mktemp("reference") / "sweep", chaos)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_kills_of_driver_worker_and_node_and_inside_of_writes_change_no_row_of_the_table(
    cluster: SharedCluster, reference: Story, chaos: Path, tmp_path: Path
) -> None:
    targets = [WORKER_WRITE, DRIVER, WORKER, DRIVER_WRITE, RAYLET, DRIVER_WRITE, WORKER, DRIVER]
    campaign = plan_campaign(SEED, "generator", targets, private=False)
    story = conduct(campaign, cluster, tmp_path / "sweep", chaos, len(reference.snapshots[-1].trained))
    assert violations(story, reference) == []
    assert {strike.target for strike in story.strikes} == set(Target)
    assert all(strike.point for strike in story.strikes if strike.target.inside)
    assert story.resumes >= 3


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_sweep_whose_own_ray_was_killed_ends_with_an_error_and_is_resumed(
    reference: Story, chaos: Path, tmp_path: Path
) -> None:
    campaign = plan_campaign(SEED, "generator", [RAYLET], private=True)
    story = conduct(campaign, PrivateRay(), tmp_path / "sweep", chaos, len(reference.snapshots[-1].trained))
    assert violations(story, reference) == []
    assert [strike.target for strike in story.strikes] == [RAYLET]
    assert story.resumes == 1
