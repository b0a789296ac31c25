"""The long form, `make chaos`: kills without mercy, counts, and writes benchmarks/results/chaos.md.

    make chaos        or        python -m tests.chaos --seed 1 --kills 50 --output benchmarks/results/chaos.md

Every violation is printed with the seed that shows it; `--campaign SEED SUBJECT GROUND TARGET …` repeats one campaign.
"""

import argparse
import atexit
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .campaign import Campaign, Target, campaigns, plan_campaign
from .checks import violations
from .grounds import Ground, PrivateRay, SharedCluster
from .harness import chaos_variables
from .report import Tally, report
from .story import Story, conduct
from .subjects import SUBJECTS

_ON_CLUSTER: dict[Target, float] = {
    Target.DRIVER: 0.8,
    Target.WORKER: 0.8,
    Target.RAYLET: 0.5,
    Target.DRIVER_WRITE: 0.5,
    Target.WORKER_WRITE: 0.5,
}
"""The share of each target's kills that happens on the cluster; the rest on a Ray of each run's own."""
_MOST = 6
"""Kills of one sweep at most."""


class War:
    """All campaigns on one ground.

    Args:
        ground: Where.
        private: Whether each run has a Ray of its own there.
        folder: For the sweeps.
        chaos: As in `conduct`.
        tally: What is counted.
    """

    def __init__(self, ground: Ground, private: bool, folder: Path, chaos: Path, tally: Tally) -> None:
        self._ground, self._private, self._folder, self._chaos, self._tally = ground, private, folder, chaos, tally
        self._references: dict[str, Story] = {}

    def wage(self, seed: int, wanted: dict[Target, int], subjects: Sequence[str]) -> None:
        """Goes on until each target was killed as often as wanted: some kills come after their sweep has ended."""
        while left := [
            target for target, times in wanted.items() for _ in range(times - self._tally.killed[target, self._private])
        ]:
            for campaign in campaigns(seed, left, subjects, most=_MOST, private=self._private):
                if self._tally.late:
                    return
                self.fight(campaign)
            seed += 1

    def fight(self, campaign: Campaign) -> None:
        """One campaign, checked and counted."""
        reference = self._reference(campaign.subject)
        folder = self._folder / f"{campaign.seed}-{campaign.subject}"
        story = conduct(campaign, self._ground, folder, self._chaos, len(reference.snapshots[-1].trained))
        found = violations(story, reference)
        self._tally.add(story, found)
        print(f"{self._tally.total:4} kills  {describe(campaign)}: {len(story.strikes)} struck", flush=True)  # noqa: T201
        for sentence in found:
            print(f"      VIOLATION {sentence}", flush=True)  # noqa: T201
        if not found:
            shutil.rmtree(folder)

    def _reference(self, subject: str) -> Story:
        if subject not in self._references:
            campaign = Campaign(0, subject, self._private, ())
            story = conduct(campaign, self._ground, self._folder / f"reference-{subject}", self._chaos)
            assert not story.complaints, story.complaints
            self._references[subject] = story
        return self._references[subject]


def describe(campaign: Campaign) -> str:
    """What a campaign is repeated with."""
    targets = " ".join(kill.target.name for kill in campaign.kills)
    return f"--campaign {campaign.seed} {campaign.subject} {'private' if campaign.private else 'cluster'} {targets}"


@contextmanager
def grounds(private: bool, chaos: Path) -> Iterator[Ground]:
    """The ground that campaigns are fought on."""
    if private:
        yield PrivateRay()
        return
    cluster = SharedCluster({**chaos_variables(chaos), "CAVIAR_CHAOS_DRIVER": "0"})
    try:
        yield cluster
    finally:
        cluster.close()


def main() -> None:
    """Fights, prints what broke, and writes the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=50, help="of each kind; inside of writes, of both kinds together")
    parser.add_argument("--minutes", type=float, default=40.0, help="after which no further campaign begins")
    parser.add_argument("--subjects", nargs="+", choices=list(SUBJECTS), default=list(SUBJECTS))
    parser.add_argument("--campaign", nargs="+", metavar="WORD", help="one campaign, as a line of the output names it")
    parser.add_argument("--output", type=Path, help="the report")
    arguments = parser.parse_args()
    ray = Path(tempfile.mkdtemp(prefix="cav"))
    atexit.register(shutil.rmtree, ray, ignore_errors=True)
    os.environ.update({"RAY_AUTH_TOKEN_PATH": str(ray / "token"), "RAY_TMPDIR": str(ray)})
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    tally = Tally(began=time.monotonic(), minutes=arguments.minutes)
    try:
        _fight_all(arguments, folder, tally)
    finally:
        text = report(tally, f"python -m tests.chaos {' '.join(sys.argv[1:])}".strip())
        print(text)  # noqa: T201
        if arguments.output is not None:
            arguments.output.write_text(text, encoding="utf-8")
    if tally.violations:
        sys.exit(f"{len(tally.violations)} violations; the sweeps that show them are in {folder}")
    shutil.rmtree(folder)


def _fight_all(arguments: argparse.Namespace, folder: Path, tally: Tally) -> None:
    for private in (False, True):
        one = arguments.campaign
        if one and (one[2] == "private") != private:
            continue
        place = folder / ("private" if private else "cluster")
        chaos = place / "chaos"
        chaos.mkdir(parents=True)
        with grounds(private, chaos) as ground:
            war = War(ground, private, place, chaos, tally)
            if one:
                war.fight(plan_campaign(int(one[0]), one[1], [Target[name] for name in one[3:]], private=private))
            else:
                war.wage(arguments.seed, _wanted(arguments.kills, private=private), arguments.subjects)


def _wanted(kills: int, *, private: bool) -> dict[Target, int]:
    wanted = {}
    for target, share in _ON_CLUSTER.items():
        times = kills if target.inside is None else -(-kills // 2)
        on_cluster = round(times * share)
        wanted[target] = times - on_cluster if private else on_cluster
    return wanted


if __name__ == "__main__":
    main()
