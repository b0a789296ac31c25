"""Findings of the preflight."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...finding import Severity
from .facts import ClusterFacts

_NAMED = 3
"""Nodes that a sentence names; it only counts the others."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a person should know before the first trial.

    Attributes:
        severity: The gravity of it: what is broken ends a run before it begins.
        check: The check that found it.
        problem: The fault, with the value that was found.
        advice: The way out.
        nodes: The nodes that have it; empty for the cluster as a whole.
    """

    severity: Severity
    check: str
    problem: str
    advice: str
    nodes: Sequence[str] = ()

    def __str__(self) -> str:
        """The finding in one sentence."""
        return f"{_where(self.nodes)}{self.problem}; {self.advice}."


@dataclass(frozen=True, slots=True)
class Preflight:
    """Findings before the first trial.

    Attributes:
        cluster: The facts that every node tells.
        findings: The faults, the worst first.
    """

    cluster: ClusterFacts
    findings: Sequence[Finding]

    @property
    def broken(self) -> Sequence[Finding]:
        """Findings that no sweep should begin with."""
        return [finding for finding in self.findings if finding.severity is Severity.BROKEN]

    @property
    def healthy(self) -> bool:
        """True where nothing is broken."""
        return not self.broken


def merged(findings: Sequence[Finding]) -> list[Finding]:
    """The findings, the worst first; the same one on several nodes becomes one."""
    same: dict[tuple[Severity, str, str, str], list[Finding]] = {}
    for one in findings:
        same.setdefault((one.severity, one.check, one.problem, one.advice), []).append(one)
    joined = [replace(ones[0], nodes=[node for one in ones for node in one.nodes]) for ones in same.values()]
    return sorted(joined, key=lambda one: list(Severity).index(one.severity), reverse=True)


def _where(nodes: Sequence[str]) -> str:
    if not nodes:
        return ""
    if len(nodes) == 1:
        return f"node {nodes[0]}: "
    if len(nodes) <= _NAMED:
        return f"nodes {', '.join(nodes[:-1])} and {nodes[-1]}: "
    return f"nodes {', '.join(nodes[:_NAMED])} and {len(nodes) - _NAMED} more: "
