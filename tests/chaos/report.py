"""Counts what campaigns did, and says it as Markdown."""

import os
import platform
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from .campaign import Target
from .checks import repeated_steps
from .story import Story


@dataclass(slots=True)
class Tally:
    """What campaigns did.

    Attributes:
        began: When the first one began, on the monotonic clock.
        minutes: After how many minutes no further one is to begin.
        killed: How often each target was killed, by target and whether the Ray was the run's own.
        points: How often each fault point was hit.
        sweeps: How often each sweep was fought over.
        resumes: How often a sweep was resumed.
        trained: Steps that were trained, in sweeps whose steps are counted.
        repeated: Of these, those that had been trained before.
        rows: Reports in the Parquet files in the end.
        violations: What broke, with what repeats it.
    """

    began: float
    minutes: float
    killed: Counter[tuple[Target, bool]] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    sweeps: Counter[str] = field(default_factory=Counter)
    resumes: int = 0
    trained: int = 0
    repeated: int = 0
    rows: int = 0
    violations: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """All kills."""
        return sum(self.killed.values())

    @property
    def late(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() - self.began > 60 * self.minutes

    def add(self, story: Story, found: list[str]) -> None:
        """Counts one campaign."""
        for strike in story.strikes:
            self.killed[strike.target, story.campaign.private] += 1
            if strike.point is not None:
                self.points[strike.point] += 1
        final = story.snapshots[-1]
        self.sweeps[story.subject.name] += 1
        self.resumes += story.resumes
        self.trained += len(final.trained) if story.subject.counted else 0
        self.repeated += repeated_steps(story)
        self.rows += len(final.rows)
        self.violations += found


def report(tally: Tally, command: str) -> str:
    """The tally as Markdown.

    Args:
        tally: What was counted.
        command: What made it.
    """
    lost = sum(": lost:" in sentence for sentence in tally.violations)
    duplicated = sum(": duplicated:" in sentence for sentence in tally.violations)
    lines = [
        "# Kills",
        "",
        f"{_machine()} Made by `{command}` in {(time.monotonic() - tally.began) / 60:.0f} minutes.",
        "",
    ]
    lines += ["| SIGKILL to | on a cluster | on the run's own Ray |", "|---|---:|---:|"]
    lines += [f"| {target.value} | {tally.killed[target, False]} | {tally.killed[target, True]} |" for target in Target]
    lines += ["", "| in all | |", "|---|---:|"]
    figures = {
        "kills": tally.total,
        "sweeps": sum(tally.sweeps.values()),
        "resumes": tally.resumes,
        "distinct fault points hit": len(tally.points),
        "steps trained": tally.trained,
        "of these trained before": tally.repeated,
        "reports in the Parquet files": tally.rows,
        "reports or outcomes lost": lost,
        "reports duplicated": duplicated,
        "violations": len(tally.violations),
    }
    lines += [f"| {name} | {number:,} |" for name, number in figures.items()]
    of = ", ".join(f"{name} {times}" for name, times in sorted(tally.sweeps.items()))
    lines += ["", f"Sweeps: {of}.", ""]
    if tally.violations:
        lines += ["## Violations", "", *(f"- {sentence}" for sentence in tally.violations), ""]
    lines += ["## Fault points", "", "| times | where |", "|---:|---|"]
    lines += [f"| {times} | {point} |" for point, times in sorted(tally.points.items())]
    return "\n".join(lines) + "\n"


def _machine() -> str:
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    processor = next((line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")), "")
    date = datetime.now(timezone.utc).date().isoformat()
    versions = ", ".join(f"{name} {version(name)}" for name in ("caviar", "ray", "pyarrow", "duckdb"))
    return f"{date}, {processor}, {os.cpu_count()} cores; python {platform.python_version()}, {versions}."
