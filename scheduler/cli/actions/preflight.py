"""The doctor's look at a cluster, printed."""

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import typer

from ....trainers import TrainerError
from ...doctor.cluster import Finding, Preflight, preflight
from ...finding import Severity
from ...lifecycle.validate import validate_spec
from ...sweep import Sweep
from ..output.console import plural, print_json, results_console, show_value
from ..output.exit_codes import ExitCode

STYLES = {Severity.BROKEN: "red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


def look_at_cluster(spec_file: Path | None, values: Mapping[str, Any], *, json: bool) -> None:
    """Looks at every node, and ends the program as failed where something is broken.

    Args:
        spec_file: The sweep that is to run; None looks at the cluster alone.
        values: Fields that replace the spec's, by dotted path.
        json: Whether to print all facts and findings as JSON.
    """
    with redirect_stdout(sys.stderr):  # the prints of a person's code at its import are no result
        found = _look(spec_file, values)
    if json:
        print_json(_as_dict(found))
    else:
        _print(found)
    if not found.healthy:
        raise typer.Exit(ExitCode.FAILED)


def _look(spec_file: Path | None, values: Mapping[str, Any]) -> Preflight:
    if spec_file is None:
        return preflight()
    spec = validate_spec(spec_file, values)
    try:
        sweep = Sweep.from_spec(spec, spec_file.parent)
    except TrainerError as error:
        found = preflight(spec.model_copy(update={"data": None}))
        problem, advice = str(error).rstrip("."), "mend it, or install what it needs here and on every node"
        return replace(found, findings=[Finding(Severity.BROKEN, "trainer", problem, advice), *found.findings])
    return preflight(sweep.spec, sweep.trainer)


def _print(found: Preflight) -> None:
    out = results_console()
    for finding in found.findings:
        out.print(f"{finding.severity.value:<8} {show_value(finding)}", style=STYLES[finding.severity])
    count, nodes = plural(len(found.broken), "finding"), plural(len(found.cluster.nodes), "node")
    out.print(f"healthy: {nodes}" if found.healthy else f"broken: {count}, {nodes}", style="bold")


def _as_dict(found: Preflight) -> dict[str, Any]:
    findings = [{**asdict(finding), "sentence": str(finding)} for finding in found.findings]
    return {"healthy": found.healthy, "findings": findings, **asdict(found.cluster)}
