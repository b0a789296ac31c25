"""What is to be killed when: a pure description that follows from a seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random


class Target(str, Enum):
    """What is killed."""

    DRIVER = "driver"
    """The process that runs the sweep."""
    WORKER = "worker"
    """The process of an actor that trains."""
    RAYLET = "raylet"
    """The process that stands for a machine: of the driver's own Ray, or of a cluster's node that is not the head."""
    DRIVER_WRITE = "driver, inside a write"
    """The driver kills itself at a fault point."""
    WORKER_WRITE = "worker, inside a write"
    """A worker kills itself at a fault point."""

    @property
    def inside(self) -> str | None:
        """The role of the process that kills itself inside a write; None for a kill from outside."""
        return {Target.DRIVER_WRITE: "driver", Target.WORKER_WRITE: "worker"}.get(self)


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill.

    Attributes:
        target: What is killed.
        after: Steps that are trained before, as a share of the steps that the whole sweep takes.
        event: For kills inside of writes: at which event, from 1, counted from that moment in each process.
        choice: Which one, where there are several: any whole number.
    """

    target: Target
    after: float
    event: int = 1
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Campaign:
    """What happens to one sweep.

    Attributes:
        seed: What it follows from.
        subject: The sweep's name in `SUBJECTS`.
        private: Whether each run starts a Ray of its own; otherwise all use one cluster.
        kills: In order.
    """

    seed: int
    subject: str
    private: bool
    kills: tuple[Kill, ...]


_LATEST = 0.85
"""Later than this, few sweeps would still run when the kill comes."""
_EVENTS = {Target.DRIVER_WRITE: 60, Target.WORKER_WRITE: 120}
"""From 1 up to so many events: of two or three commits, or of half a dozen checkpoints."""
_AT_START = 0.25
"""The share of kills inside of the driver's writes that lie in a run's first moments, when it makes or mends files."""


def plan_campaign(seed: int, subject: str, targets: Sequence[Target], *, private: bool) -> Campaign:
    """A campaign with the given kills, at moments that the seed decides."""
    random = Random(f"{seed} {subject} {private}")
    moments = sorted(random.uniform(0.02, _LATEST) for _ in targets)
    kills = [_kill(random, target, after) for target, after in zip(targets, moments, strict=True)]
    return Campaign(seed, subject, private, tuple(kills))


def _kill(random: Random, target: Target, after: float) -> Kill:
    event, choice = random.randint(1, _EVENTS.get(target, 1)), random.randrange(1000)
    at_start = target is Target.DRIVER_WRITE and random.random() < _AT_START
    return Kill(target, 0.0 if at_start else after, event, choice)


def campaigns(
    seed: int, targets: Sequence[Target], subjects: Sequence[str], *, most: int, private: bool
) -> list[Campaign]:
    """Campaigns that hold the given targets in random order, some to each sweep.

    Args:
        seed: What everything follows from; each campaign has a seed of its own.
        targets: The targets, each as often as it should come.
        subjects: Names of sweeps, taken in turn.
        most: Kills of one campaign at most.
        private: As in `Campaign`.
    """
    random = Random(f"campaigns {seed} {private}")
    order = random.sample(list(targets), len(targets))
    return [
        plan_campaign(
            random.randrange(10**6), subjects[number % len(subjects)], order[start : start + most], private=private
        )
        for number, start in enumerate(range(0, len(order), most))
    ]
