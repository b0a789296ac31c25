"""Carries a campaign out and tells what happened: run, kill, look, resume, until the sweep is finished."""

from dataclasses import dataclass, field
from pathlib import Path

from .campaign import Campaign, Target
from .grounds import Ground
from .harness import Arena, Strike
from .snapshot import Snapshot, look
from .subjects import SUBJECTS, Subject

_MOST_RUNS = 4
"""Runs without a kill that a sweep may need to its end; it should need one."""


@dataclass(slots=True)
class Story:
    """What happened in a campaign.

    Attributes:
        campaign: The campaign.
        subject: Its sweep.
        strikes: The kills that came to pass.
        snapshots: What was seen after each kill, before the sweep was resumed, and at the end.
        resumes: How often the sweep was started again.
        complaints: What went wrong so openly that no check has to look for it.
    """

    campaign: Campaign
    subject: Subject
    strikes: list[Strike] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    resumes: int = 0
    complaints: list[str] = field(default_factory=list)


def conduct(campaign: Campaign, ground: Ground, folder: Path, chaos: Path, lines: int = 0) -> Story:
    """Carries a campaign out.

    Args:
        campaign: What is to be killed when; without kills it makes the reference.
        ground: Where the sweep runs.
        folder: For this campaign alone; it does not exist yet.
        chaos: The folder that the ground's processes look for faults in.
        lines: How many steps the sweep takes without kills.
    """
    folder.mkdir(parents=True)
    story = Story(campaign, SUBJECTS[campaign.subject])
    arena = Arena(folder, story.subject, ground, chaos)
    for kill in campaign.kills:
        if not arena.running:
            if arena.finished:
                break
            story.resumes += arena.start()
        strike = arena.strike(kill, round(kill.after * lines))
        if strike is None:
            if not arena.running:
                _ended(story, arena)
            continue
        story.strikes.append(strike)
        dies = strike.target in {Target.DRIVER, Target.DRIVER_WRITE} or (
            campaign.private and strike.target is Target.RAYLET
        )
        if dies:
            story.complaints += arena.end(killed=True)[1]
        story.snapshots.append(look(arena.directory, arena.steps, dead=not arena.running))
    _finish(story, arena)
    return story


def _finish(story: Story, arena: Arena) -> None:
    """Resumes until the sweep says that it is finished."""
    for _ in range(_MOST_RUNS):
        if not arena.running:
            if arena.finished:
                break
            story.resumes += arena.start()
        _ended(story, arena)
    story.snapshots.append(look(arena.directory, arena.steps, dead=True))


def _ended(story: Story, arena: Arena) -> None:
    """A run that nobody killed has to end well."""
    status, complaints = arena.end(killed=False)
    story.complaints += complaints
    if status != 0:
        story.complaints.append(f"a run ended with status {status} and no kill of its driver: {arena.output}")
