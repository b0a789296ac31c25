"""Checks of a spec that need more than one of its fields."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from ...search_spaces import InvalidSpaceError, SearchSpace, Value
from ...search_spaces.values import checked_value, cut, identity, show
from ...trainers.command import FACTS, Command
from ..core.controllers.initial import complete
from ..core.proposers.design import uniform_design
from ..errors import InvalidSpecError
from .parts import FuseSpec, check_assumed
from .workers import WorkerKindSpec


def check_command(trainer: object, names: Collection[str]) -> None:
    """Refuses a command with what is no hyperparameter.

    Args:
        trainer: The training code; anything but a mapping is no command.
        names: The hyperparameters.

    Raises:
        InvalidSpecError: It names something else.
    """
    wanted = Command.parse(trainer, Path()).hyperparameters if isinstance(trainer, dict) else ()
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise InvalidSpecError(
            f"trainer: the command names {{{unknown[0]}}}, which is neither a hyperparameter"
            f" ({', '.join(names)}) nor one of {', '.join(FACTS)}."
        )


def check_fused_names(fuse: FuseSpec, space: SearchSpace) -> None:
    """Refuses names by which no trials can be grouped.

    Raises:
        InvalidSpecError: One is no hyperparameter, or cannot be padded.
    """
    types = space.value_types
    for field, names in {"static": fuse.static, "padded": fuse.padded}.items():
        if unknown := [name for name in names or () if name not in types]:
            raise InvalidSpecError(
                f"fuse.{field}: {cut(unknown[0])} is no hyperparameter; the space has {', '.join(types)}."
            )
    if wrong := [name for name in fuse.padded or () if types[name] not in {"integer", "float"}]:
        raise InvalidSpecError(f"fuse.padded: {wrong[0]} has values that are no numbers, so it is no width.")


def check_processes(kinds: Sequence[WorkerKindSpec], trainer: object, fuse: FuseSpec) -> None:
    """Refuses several processes a worker for what they cannot train.

    Args:
        kinds: The kinds of workers.
        trainer: The training code; a mapping is a command.
        fuse: The choice of trials that are trained as one model.

    Raises:
        InvalidSpecError: It is a command, or several trials are trained as one model.
    """
    most = max(kind.processes for kind in kinds)
    if most > 1 and isinstance(trainer, dict):
        raise InvalidSpecError(
            f"workers.processes: a command starts its processes itself, as torchrun does, got {most}; leave it out,"
            " and give the worker the CPUs and GPUs of all."
        )
    if most > 1 and fuse.size not in {"auto", 1}:
        raise InvalidSpecError(
            f"fuse: {fuse.size} trials are to be trained as one model, but workers.processes has {most}"
            " processes train one trial; leave one of the two out."
        )


def json_configs(value: object) -> object:
    """Configurations with JSON's values in the place of numpy's; what is none stays, for later checks to refuse."""
    try:
        return checked_value(value)
    except InvalidSpaceError:
        return value


def check_initial(initial: Sequence[Mapping[str, Value]], space: SearchSpace, seed: int) -> None:
    """Refuses configurations that a search space does not have.

    Raises:
        InvalidSpecError: A name is unknown or inactive, a value is not one that it may take, a configuration stands
            there twice, or one breaks a constraint whatever is drawn for what it leaves out.
    """
    places: dict[object, int] = {}
    for place, config in enumerate(initial):
        field = f"initial[{place}]"
        check_assumed(field, config, space)
        for name in config:
            _check_active(field, name, config, space)
        same = places.setdefault(identity({name: config[name] for name in space.varying if name in config}), place)
        if same != place:
            raise InvalidSpecError(f"{field}: is the same as initial[{same}], got {show(dict(config))}; leave one out.")
    if space.constraints:
        complete(space, initial, uniform_design(space, seed))


def _check_active(field: str, name: str, config: Mapping[str, Value], space: SearchSpace) -> None:
    """Refuses a value of a hyperparameter that its configuration does not have, or may not have."""
    above = [name]
    for child in above:
        for parent, allowed in (space.domains[child].when or {}).items():
            domain, words = space.domains[parent], " or ".join(map(show, allowed))
            above.append(parent)
            if parent not in config and not domain.is_constant:
                raise InvalidSpecError(
                    f"{field}.{name}: exists only where {parent} is {words}, got {show(config[name])} without {parent};"
                    " give both."
                )
            if parent in config and not np.isin(domain.encode([config[parent]]), domain.encode(allowed)).all():
                raise InvalidSpecError(
                    f"{field}.{name}: exists only where {parent} is {words}, got {show(config[name])} with {parent}"
                    f" {show(config[parent])}; leave it out."
                )
