"""The work of doctor: a sweep's directory examined and repaired, or a cluster looked at before a sweep."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from ...doctor.files import Diagnosis, Finding, Severity, examine, repair
from ...errors import InvalidSpecError
from ...remote.remote import check_remotely, run_remotely
from ...storage import Location
from ..input.given import located, parse_settings
from ..output.console import plural, print_json, results_console, show_path, show_value
from ..output.exit_codes import ExitCode
from .preflight import STYLES, look_at_cluster
from .remote import end_as

_SPECS = {".yaml", ".yml"}


def doctor(
    subject: str | None, settings: Sequence[str] | None, address: str | None, *, repairs: bool, json: bool
) -> None:
    """Examines a sweep's files or a cluster, and ends the program as failed where something is broken.

    Args:
        subject: A spec, to look at the nodes that it would run on; a sweep's directory; None for the nodes alone.
        settings: The values of `--set`, if any.
        address: The cluster, if the subject is on one.
        repairs: Whether to rebuild what can be rebuilt.
        json: Whether to print JSON.
    """
    if subject is None or is_spec_file(subject):
        _check_options(settings if subject is None else None, repairs=repairs)
        spec_file, values = None if subject is None else Path(subject), parse_settings(settings)
        if address is not None:
            end_as(check_remotely(address, spec_file, values, ["--json"] * json))
        look_at_cluster(spec_file, values, json=json)
        return
    _check_options(settings, repairs=False)
    directory = located(subject)
    if address is not None:
        end_as(run_remotely(address, ["doctor", *["--repair"] * repairs, *["--json"] * json], subject))
    if repairs:
        _repair(directory, json=json)
        return
    diagnosis = examine(directory)
    if json:
        print_json(_as_dict(diagnosis))
    else:
        _print(diagnosis)
    _end(diagnosis)


def is_spec_file(subject: str) -> bool:
    """True where the subject of doctor is a spec's file."""
    return Path(subject).suffix in _SPECS and Path(subject).is_file()


def _check_options(settings: Sequence[str] | None, *, repairs: bool) -> None:
    """Refuses options that do not go with the subject."""
    if repairs:
        raise InvalidSpecError("--repair: it rebuilds the files of a sweep; give the sweep's directory.")
    if settings:
        raise InvalidSpecError("--set: it replaces fields of a spec; give a spec's file.")


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
        out.print(f"{finding.severity.value:<8} {line}", style=STYLES[finding.severity])
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
        "repairable": finding.fix is not None,
    }


def _end(diagnosis: Diagnosis) -> None:
    if not diagnosis.healthy:
        raise typer.Exit(ExitCode.FAILED)
