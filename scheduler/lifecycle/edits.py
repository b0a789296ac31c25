"""Editing the spec of a sweep that has run: the fields that may change, and the state that the sweep then has.

The journal says with which spec each run began, and where a spec was edited: `opened` events hold the first, `edited`
events the later ones. `sweep.yaml` holds the spec of the next run.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ..core.state import SweepState
from ..errors import InvalidSpecError
from ..spec.spec import SweepSpec, read_fields
from ..storage import SweepDirectory

_PLACES = ("name", "storage", "versions")
"""Fields that say nothing of the search: a directory may be moved."""
_FIXED = ("trainer", "target", "seed", "resource.unit", "resource.min", "resource.eta", "warm_start")
_WHOLE = ("trainer", "space", "assume")
"""Mappings whose entries are not looked into."""


@dataclass(frozen=True, slots=True)
class FieldEdit:
    """One changed field of a spec.

    Attributes:
        field: Its dotted path.
        old: The value so far; None where it was absent.
        new: The value from now on; None where it is absent.
    """

    field: str
    old: Any
    new: Any


def edits_between(old: SweepSpec, new: SweepSpec) -> list[FieldEdit]:
    """The fields in which two specs of a sweep differ, in the order of the spec."""
    if old is new:
        return []
    # As they are written: a spec that was made in Python may have other numbers and sequences for the same text.
    before, after = (dict(_flat(read_fields(spec.to_yaml(), "the spec"))) for spec in (old, new))
    names = dict.fromkeys([*before, *after])
    return [FieldEdit(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)]


def check_edits(old: SweepSpec, new: SweepSpec, directory: SweepDirectory) -> list[FieldEdit]:
    """The fields in which two specs of a sweep differ, where the sweep can go on with all of them.

    Raises:
        InvalidSpecError: A field cannot change; one sentence for each.
    """
    way_out = f"run a new sweep with warm_start: {directory.path}"
    edits = edits_between(old, new)
    wrong = [
        f"{edit.field}: the sweep has {edit.old!r} and cannot go on with {edit.new!r}; {way_out}."
        for edit in edits
        if any(edit.field == fixed or edit.field.startswith(f"{fixed}.") for fixed in _FIXED)
        and not (edit.field == "trainer" and _moved(edit))
    ]
    types = old.search_space.value_types
    wrong += [
        f"space.{name}: its values are of the type {types[name]} and cannot become {kind}; give it another name,"
        f" or {way_out}."
        for name, kind in new.search_space.value_types.items()
        if types.get(name, kind) != kind
    ]
    if wrong:
        raise InvalidSpecError("\n".join(wrong))
    return edits


def _moved(edit: FieldEdit) -> bool:
    """True where the training code has the same file's name and its own, or is the same command, in another folder."""
    if isinstance(edit.old, Mapping) and isinstance(edit.new, Mapping):
        return {**edit.old, "directory": None} == {**edit.new, "directory": None}
    texts = edit.old, edit.new
    return all(isinstance(text, str) for text in texts) and len({PurePath(text).name for text in texts}) == 1


def edited_event(old: SweepSpec, new: SweepSpec, state: SweepState, directory: SweepDirectory) -> dict[str, Any]:
    """The journal's line for an edited spec, without its time.

    Args:
        old: The spec so far.
        new: The spec from now on.
        state: The sweep so far.
        directory: Its directory, from whose reports another metric is taken.

    Raises:
        InvalidSpecError: Not every trial has the new metric wherever it was compared.
    """
    event: dict[str, Any] = {"type": "edited", "spec": new.to_yaml()}
    if (old.metric, old.mode) != (new.metric, new.mode):
        # Only another metric needs the reports, and Arrow to read them.
        from ..results.migration import values_at_rungs  # noqa: PLC0415

        values = values_at_rungs(directory, new.metric, new.mode, state.rows)
        event["values"] = {
            str(trial): [[one.rung, one.step, one.value, one.best] for one in rungs] for trial, rungs in values.items()
        }
    return event


def _flat(fields: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        path = f"{above}{name}"
        if not above and name in _PLACES:
            continue
        if isinstance(value, Mapping) and above.rstrip(".") not in _WHOLE and path != "trainer":
            yield from _flat(value, f"{path}.")
        else:
            yield path, value
