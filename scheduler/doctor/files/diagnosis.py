"""Findings of an examination."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...finding import Severity
from ...storage import Holder, Location
from .quarantine import Quarantine

__all__ = ["Diagnosis", "Finding", "Fix", "Severity"]

Fix = Callable[[Quarantine], str]
"""Repairs a finding, and returns one sentence about the repair; an empty one where there was nothing to do."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as in a sweep that has just finished.

    Attributes:
        severity: The gravity of the problem.
        path: The file or folder.
        problem: The fault in it.
        meaning: The consequence for the sweep.
        advice: The way out, where that is not to have it repaired.
        line: The line in the file, from 1, where there is one.
        fix: Repairs it, where that can be done.
    """

    severity: Severity
    path: Location
    problem: str
    meaning: str
    advice: str = ""
    line: int | None = None
    fix: Fix | None = None

    @property
    def what_to_do(self) -> str:
        """The way out for a person."""
        return self.advice or ("--repair does it" if self.fix is not None else "nothing to do")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of an examination.

    Attributes:
        directory: The sweep's directory.
        holder: The process that runs the sweep; None when none does.
        findings: Its findings, in the order in which things depend on each other.
    """

    directory: Location
    holder: Holder | None
    findings: Sequence[Finding]

    @property
    def healthy(self) -> bool:
        """True where nothing is broken."""
        return all(finding.severity is not Severity.BROKEN for finding in self.findings)
