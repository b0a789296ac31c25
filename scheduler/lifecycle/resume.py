"""The spec that a sweep goes on with: sweep.yaml as it is now, with some fields replaced."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...trainers import Trainer, load_trainer
from ..errors import InvalidSpecError
from ..spec.overrides import override
from ..spec.parts import FuseSpec
from ..spec.spec import SweepSpec, read_fields, read_spec_file
from ..storage import Location, SweepDirectory, in_home, locate
from .fusing import resolve_fusing, with_fusing
from .recorded import RecordedSweep
from .validate import find_data
from .warm_start import earlier_directory

_PLACE = ("name", "storage", "versions")
_FIXED = ("seed", "target", "trainer", "warm_start")
"""Fields that cannot change: each stays as it was where a spec's file does not mention it."""


def edited_fields(
    directory: Location, values: Mapping[str, Any] | None = None, spec_file: Path | None = None
) -> dict[str, Any]:
    """The fields for `Sweep.resume` by which a sweep's spec is edited.

    Args:
        directory: The sweep's directory.
        values: Fields by dotted path, such as `{"budget.trials": 50}`.
        spec_file: A spec that takes the place of the sweep's, with paths that start in its folder.

    Raises:
        SweepError: There is no sweep.
        InvalidSpecError: The file cannot be read, or a field is not valid.
        TrainerError: The file's training code cannot be used.
    """
    if spec_file is not None:
        return _fields_of(spec_file, values or {})
    if not values:
        return {}
    there = SweepDirectory(directory)
    changed = override(read_fields(there.spec_text(), str(there.spec)), values)
    return {name: changed[name] for name in {path.partition(".")[0] for path in values} if name in changed}


def resumed_spec(recorded: RecordedSweep, fields: Mapping[str, Any]) -> SweepSpec:
    """A sweep's spec with the fields that replace its own, before its training code is known.

    Raises:
        SweepError: There is no sweep.
        InvalidSpecError: A field is not valid.
        JournalError: The journal cannot be trusted.
    """
    path = recorded.directory.path
    last = recorded.last
    _check_place(recorded.directory, fields)
    place = {"name": path.name, "storage": str(path.parent)}
    if fields or path.name != recorded.written.name:
        spec = SweepSpec.parse({**read_spec_file(recorded.directory.spec), **fields, **place})
    else:
        spec = recorded.written.model_copy(update=place)
    if last is not None and spec.fuse == last.fuse:
        spec = with_fusing(spec, FuseSpec(size=last.fuse.size))
    data = find_data(spec.data, None)
    return spec.model_copy(update={"data": None if data is None else str(data)})


def followed_fusing(spec: SweepSpec, last: SweepSpec | None, trainer: Trainer) -> SweepSpec:
    """The spec with the names by which trials are grouped: those of the last run as far as it still has them."""
    if last is None or spec.fuse != FuseSpec(size=last.fuse.size):
        return resolve_fusing(spec, trainer)
    if spec.controller.kind.alone is not None:
        return resolve_fusing(with_fusing(spec, FuseSpec(size=1)), trainer)
    if resolve_fusing(with_fusing(last, spec.fuse), trainer).fuse == last.fuse:
        return resolve_fusing(spec, trainer)
    static, padded = (
        None if names is None else tuple(name for name in names if name in spec.space)
        for names in (last.fuse.static, last.fuse.padded)
    )
    return resolve_fusing(with_fusing(spec, FuseSpec(size=last.fuse.size, static=static, padded=padded)), trainer)


def _check_place(directory: SweepDirectory, fields: Mapping[str, Any]) -> None:
    if "name" in fields and fields["name"] != directory.path.name:
        raise InvalidSpecError(
            f"name: the sweep's is that of its directory, {directory.path.name!r}, got {fields['name']!r}; rename the"
            " directory instead."
        )
    if "storage" in fields and _resolved(fields["storage"]) != directory.path.parent:
        raise InvalidSpecError(
            f"storage: the sweep lies in {str(directory.path.parent)!r}, got {str(fields['storage'])!r}; move its"
            " directory instead."
        )


def _resolved(storage: object) -> Location:
    found = locate(storage, "storage")
    return in_home(str(found)).resolve() if isinstance(found, Path) else found


def _fields_of(spec_file: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a spec's file that replace a sweep's, with absolute paths."""
    given = override(read_spec_file(spec_file), values)
    spec, folder = SweepSpec.parse({"name": "sweep", "trainer": None, **given}), spec_file.parent
    fields = {name: value for name, value in spec.model_dump(mode="json").items() if name not in _PLACE}
    fields |= {name: given[name] for name in _PLACE if name in values}
    if spec.trainer is not None:
        fields["trainer"] = load_trainer(spec.trainer, folder).reference
    if spec.data is not None:
        fields["data"] = str(find_data(spec.data, folder))
    if spec.warm_start is not None:
        fields["warm_start"]["path"] = str(earlier_directory(spec.warm_start.path, folder))
    if spec.fuse == FuseSpec():
        del fields["fuse"]
    return {name: value for name, value in fields.items() if name not in _FIXED or name in given}
