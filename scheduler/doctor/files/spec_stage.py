"""sweep.yaml and prior.parquet against those that the sweep began with."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ....search_spaces.errors import CaviarError
from ...finding import Severity
from ...lifecycle.edits import check_edits, edits_between
from ...lifecycle.prior import check_prior, recorded_prior, save_prior, saved_prior
from ...lifecycle.warm_start import earlier_results
from ...spec.spec import SweepSpec
from ...storage import SweepDirectory, locate
from .diagnosis import Finding
from .quarantine import Quarantine

Events = Sequence[Mapping[str, Any]]


def recorded_spec(events: Events) -> str | None:
    """The text of sweep.yaml that the last run had; None where the journal does not have it."""
    texts = [event["spec"] for event in events if event.get("type") in {"opened", "edited"} and "spec" in event]
    return str(texts[-1]) if texts else None


def read_spec(directory: SweepDirectory) -> SweepSpec | str:
    """The spec, or the problem with its file."""
    try:
        return SweepSpec.from_yaml(directory.spec.read_bytes().decode(), directory.spec.name)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except UnicodeDecodeError as error:
        return f"is no text ({error})"
    except CaviarError as error:
        return f"is no valid spec ({str(error).splitlines()[0].rstrip('.')})"


def spec_findings(directory: SweepDirectory, spec: SweepSpec | str, events: Events) -> Iterator[Finding]:
    """Faults of sweep.yaml."""
    recorded = recorded_spec(events)
    if isinstance(spec, str):
        yield restored_spec(directory, spec, recorded)
    elif recorded is not None and (text := directory.spec.read_text(encoding="utf-8")) != recorded:
        if recorded.startswith(text):
            yield restored_spec(directory, "was not written whole", recorded)
        elif (reason := _refusal(directory, spec, recorded)) is not None:
            yield restored_spec(directory, f"is not a spec that this sweep can go on with ({reason})", recorded)
        else:
            meaning = f"the next resume takes it as it is; changed: {_changed_fields(spec, recorded)}"
            problem = "is not the spec of the last run"
            yield Finding(Severity.WARNING, directory.spec, problem, meaning, "nothing, if it was meant")


def _refusal(directory: SweepDirectory, spec: SweepSpec, recorded: str) -> str | None:
    """The reason why no resume would take a changed spec; None where one would."""
    try:
        check_edits(SweepSpec.from_yaml(recorded), spec, directory)
    except CaviarError as error:
        return str(error).splitlines()[0].rstrip(".")
    return None


def restored_spec(directory: SweepDirectory, problem: str, recorded: str | None) -> Finding:
    """The finding of a sweep.yaml that is to be the journal's again."""

    def restore(quarantine: Quarantine) -> str:
        assert recorded is not None, "only what the journal has is restored"
        quarantine.replace(directory.spec, recorded.encode())
        return "wrote sweep.yaml as the journal has it"

    meaning = "without it the sweep cannot go on"
    if recorded is None:
        advice = "put it back from a copy and examine the sweep again: the journal does not have it"
        return Finding(Severity.BROKEN, directory.spec, problem, meaning, advice)
    return Finding(Severity.BROKEN, directory.spec, problem, meaning, fix=restore)


def prior_findings(directory: SweepDirectory, spec: SweepSpec, events: Events) -> Iterator[Finding]:
    """Faults of prior.parquet."""
    try:
        saved_prior(directory, spec)
        check_prior(directory, spec, events)
    except (CaviarError, OSError, ValueError, KeyError) as error:
        problem = f"is missing, cannot be read or was changed ({str(error).split(':')[0][:120]})"
    else:
        return

    def rebuild(quarantine: Quarantine) -> str:
        if directory.prior.exists():
            quarantine.move(directory.prior)
        try:
            if (found := earlier_results(spec)) is not None:
                save_prior(directory, spec, found.trials)
            check_prior(directory, spec, events)
        except CaviarError as error:
            if directory.prior.exists():
                quarantine.move(directory.prior)
            return f"could not make prior.parquet anew, put it back from a copy ({error})"
        return f"made prior.parquet anew from {'' if spec.warm_start is None else spec.warm_start.path}"

    meaning = "without the earlier sweep's results this one would decide something else"
    if recorded_prior(events) is not None and _earlier_is_there(spec):
        yield Finding(Severity.BROKEN, directory.prior, problem, meaning, fix=rebuild)
    else:
        advice = "put it back from a copy: the earlier sweep is gone, or the journal does not say what it held"
        yield Finding(Severity.BROKEN, directory.prior, problem, meaning, advice)


def _earlier_is_there(spec: SweepSpec) -> bool:
    return spec.warm_start is not None and SweepDirectory(locate(spec.warm_start.path)).spec.exists()


def _changed_fields(spec: SweepSpec, recorded: str) -> str:
    try:
        before = SweepSpec.from_yaml(recorded)
    except CaviarError:
        return "what this version cannot read"
    return ", ".join(edit.field for edit in edits_between(before, spec)) or "the wording alone"
