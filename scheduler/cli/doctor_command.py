"""The command that examines a sweep's directory and repairs it: doctor."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ..doctor import Diagnosis, Finding, Severity, examine, repair
from ..storage import Location
from .console import plural, print_json, results_console, show_path, show_value
from .exit_codes import ExitCode
from .options import Directory, Json

app = typer.Typer()

_STYLES = {Severity.BROKEN: "red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


@app.command()
def doctor(
    directory: Directory,
    repairs: Annotated[
        bool, typer.Option("--repair", help="Rebuild what can be rebuilt; what is replaced is kept in DIR/damaged.")
    ] = False,
    json: Json = False,
) -> None:
    """Examine a sweep's directory, and repair it.

    Without --repair it changes nothing, and may be used while the sweep runs.
    """
    if repairs:
        _repair(directory, json=json)
        return
    diagnosis = examine(directory)
    if json:
        print_json(_as_dict(diagnosis))
    else:
        _print(diagnosis)
    _end(diagnosis)


def _repair(directory: Location, *, json: bool) -> None:
    repaired = repair(directory)
    if json:
        before = [_finding_as_dict(finding, directory) for finding in repaired.before.findings]
        did = {"found": before, "did": repaired.done, "damaged": repaired.folder}
        print_json(_as_dict(repaired.after) | {"repair": did})
    else:
        out = results_console()
        for sentence in repaired.done:
            out.print(f"did      {show_value(sentence)}")
        if repaired.folder is not None:
            out.print(f"kept     what was there before is in {show_path(repaired.folder)}")
        _print(repaired.after)
    _end(repaired.after)


def _print(diagnosis: Diagnosis) -> None:
    out = results_console()
    for finding in diagnosis.findings:
        line = show_value(_line(finding, diagnosis.directory))
        out.print(f"{finding.severity.value:<8} {line}", style=_STYLES[finding.severity])
    count = sum(finding.severity is Severity.BROKEN for finding in diagnosis.findings)
    out.print("healthy" if diagnosis.healthy else f"broken: {plural(count, 'finding')}", style="bold")


def _line(finding: Finding, directory: Location) -> str:
    line = "" if finding.line is None else f", line {finding.line}"
    text = f"{_relative(finding, directory)}{line}: {finding.problem}; {finding.meaning}"
    return f"{text}. {finding.what_to_do}" if finding.what_to_do else text


def _relative(finding: Finding, directory: Location) -> str:
    path = finding.path
    if isinstance(path, Path):
        return str(path.relative_to(str(directory))) if path.is_relative_to(str(directory)) else str(path)
    return str(path).partition("?")[0].removeprefix(f"{str(directory).partition('?')[0]}/")


def _as_dict(diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "directory": str(diagnosis.directory),
        "healthy": diagnosis.healthy,
        "holder": None if diagnosis.holder is None else str(diagnosis.holder),
        "findings": [_finding_as_dict(finding, diagnosis.directory) for finding in diagnosis.findings],
    }


def _finding_as_dict(finding: Finding, directory: Location) -> dict[str, Any]:
    return {
        "severity": finding.severity.value,
        "file": _relative(finding, directory),
        "line": finding.line,
        "problem": finding.problem,
        "meaning": finding.meaning,
        "advice": finding.what_to_do,
        "repairable": finding.remedy is not None,
    }


def _end(diagnosis: Diagnosis) -> None:
    if not diagnosis.healthy:
        raise typer.Exit(ExitCode.FAILED)
