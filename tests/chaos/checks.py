"""What must hold of a sweep whatever is killed: a function for each promise, which says how it was broken."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import isclose
from typing import Any

from .snapshot import Event, Step
from .story import Story

FREE = {"attempt", "elapsed_s", "error"}
"""Columns of the table of trials that a kill may change."""


def everything_can_be_read_at_every_moment(story: Story, reference: Story) -> Iterator[str]:
    """The journal, the status, the tables and DuckDB's glob, after each kill and before the resume."""
    for number, snapshot in enumerate(story.snapshots):
        yield from (f"after kill {number + 1}: {error}" for error in snapshot.errors)
        if snapshot.dead and snapshot.condition not in {None, "killed", "finished"}:
            yield f"after kill {number + 1}: no process runs the sweep, and caviar status says {snapshot.condition}"


def no_journaled_event_is_lost(story: Story, reference: Story) -> Iterator[str]:
    """What the journal had after a kill it has from then on, in the same place."""
    for number, (earlier, later) in enumerate(pairwise(story.snapshots)):
        kept = later.events[: len(earlier.events)]
        if list(earlier.events) == list(kept) or not _decided(earlier.events):
            continue
        place = next((i for i, (a, b) in enumerate(zip(earlier.events, kept, strict=False)) if a != b), len(kept))
        yield f"lost: event {place + 1} of the journal after kill {number + 1}: {earlier.events[place]}"


def no_finished_assignment_is_decided_again(story: Story, reference: Story) -> Iterator[str]:
    """An assignment, a trial and a rung, with a journaled COMPLETED outcome is not given out any more."""
    done: set[tuple[int, int]] = set()
    for event in story.snapshots[-1].events:
        if event["type"] == "ended":
            done |= {(one["trial"], one["rung"]) for one in event["outcomes"] if one["status"] == "completed"}
        elif event["type"] == "decided":
            yield from (
                f"trial {trial} was completed at rung {rung} and is given out again"
                for trial, rung, *_ in event["assignments"]
                if (trial, rung) in done
            )


def acknowledged_reports_stay(story: Story, reference: Story) -> Iterator[str]:
    """A report that could be read stays as it is, unless no journaled outcome covers it when the sweep is resumed."""
    for number, (earlier, later) in enumerate(pairwise(story.snapshots)):
        covered = earlier.covered()
        for (trial, step), values in earlier.rows.items():
            if step > covered.get(trial, 0):
                continue
            now = later.rows.get((trial, step))
            if now is None:
                yield f"lost: the report of trial {trial} at step {step}, seen after kill {number + 1}"
            elif now != values:
                yield f"the report of trial {trial} at step {step} was {values} after kill {number + 1} and is {now}"


def each_step_is_reported_once(story: Story, reference: Story) -> Iterator[str]:
    """In the end each trial has the reports of its own steps, and none twice, which no moment may show."""
    final = story.snapshots[-1]
    for number, snapshot in enumerate(story.snapshots):
        for (trial, step), values in snapshot.rows.items():
            if len(values) > 1:
                yield f"duplicated: trial {trial}, step {step} stands there {len(values)} times after kill {number + 1}"
    of_trial: dict[int, set[int]] = defaultdict(set)
    for trial, step in final.rows:
        of_trial[trial].add(step)
    for row in final.trials:
        expected = set(range((row["parent_step"] or 0) + 1, row["step"] + 1))
        if missing := expected - of_trial[row["trial"]]:
            yield f"lost: trial {row['trial']} was trained to step {row['step']} and lacks {sorted(missing)}"
        if more := of_trial[row["trial"]] - expected:
            yield f"trial {row['trial']} was trained to step {row['step']} and has reports of {sorted(more)}"


def the_sweep_ends_with_every_trial_settled(story: Story, reference: Story) -> Iterator[str]:
    """No trial fails by a kill, and none is left over."""
    final = story.snapshots[-1]
    if final.condition != "finished":
        yield f"the sweep is {final.condition} after its last run, not finished"
    states = Counter(row["state"] for row in final.trials)
    if unsettled := set(states) - {"completed", "stopped"}:
        yield f"trials are left {sorted(unsettled)}: {dict(states)}"
    if len(final.trials) != story.subject.fields["budget"]["trials"]:
        yield f"the table has {len(final.trials)} trials, the budget {story.subject.fields['budget']['trials']}"


def the_table_of_trials_is_that_of_a_run_without_kills(story: Story, reference: Story) -> Iterator[str]:
    """Configurations, seeds, rungs, steps, values and states; for an asynchronous controller this cannot hold."""
    if not story.subject.repeats:
        return
    ours, theirs = story.snapshots[-1].trials, reference.snapshots[-1].trials
    if len(ours) != len(theirs):
        yield f"the table has {len(ours)} trials, without kills {len(theirs)}"
    for row, other in zip(ours, theirs, strict=False):
        for name in sorted(set(row) - FREE):
            if not _same(row[name], other[name], story.subject.tolerance):
                yield f"trial {row['trial']}: {name} is {row[name]}, without kills {other[name]}"


def at_most_one_interval_between_rungs_is_trained_again(story: Story, reference: Story) -> Iterator[str]:
    """Nothing up to a journaled rung is trained again, and no trial is ever more than one rung ahead of the journal."""
    if not story.subject.counted:
        return
    final = story.snapshots[-1]
    rungs = _rungs(final.outcomes())
    for number, snapshot in enumerate(story.snapshots[:-1]):
        reached, later = snapshot.reached(), final.trained[len(snapshot.trained) :]
        for trial, step in later:
            if step <= reached.get(trial, 0):
                yield f"trial {trial}: step {step} of a journaled rung was trained again after kill {number + 1}"
        for trial, step in _furthest(snapshot.trained).items() if snapshot.dead else ():
            upper = next((rung for rung in rungs[trial] if rung > reached.get(trial, 0)), reached.get(trial, 0))
            if step > upper:
                yield f"trial {trial} was at step {step} at kill {number + 1}, beyond the rung at {upper}"


Check = Callable[[Story, Story], Iterator[str]]
CHECKS: Sequence[Check] = (
    everything_can_be_read_at_every_moment,
    no_journaled_event_is_lost,
    no_finished_assignment_is_decided_again,
    acknowledged_reports_stay,
    each_step_is_reported_once,
    the_sweep_ends_with_every_trial_settled,
    the_table_of_trials_is_that_of_a_run_without_kills,
    at_most_one_interval_between_rungs_is_trained_again,
)


def violations(story: Story, reference: Story) -> list[str]:
    """Every sentence of every check, and what went wrong on the way.

    Args:
        story: A campaign.
        reference: The same sweep without kills.
    """
    found = list(story.complaints)
    for check in CHECKS:
        found += [f"{check.__name__}: {sentence}" for sentence in check(story, reference)]
    return found


def repeated_steps(story: Story) -> int:
    """How many steps were trained more than once, each counted as often as it was repeated."""
    trained = story.snapshots[-1].trained
    return len(trained) - len(set(trained)) if story.subject.counted else 0


def _decided(events: Sequence[Event]) -> bool:
    return any(event["type"] == "decided" for event in events)


def _same(one: Any, other: Any, tolerance: float) -> bool:
    if tolerance and isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=tolerance)
    return bool(one == other)


def _furthest(trained: Sequence[Step]) -> Mapping[int, int]:
    furthest: dict[int, int] = {}
    for trial, step in trained:
        furthest[trial] = max(step, furthest.get(trial, 0))
    return furthest


def _rungs(outcomes: Sequence[Event]) -> Mapping[int, list[int]]:
    """The steps at which each trial completed an assignment, ascending."""
    steps: dict[int, list[int]] = defaultdict(list)
    for outcome in outcomes:
        if outcome["status"] == "completed":
            steps[outcome["trial"]].append(outcome["step"])
    return steps
