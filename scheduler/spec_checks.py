"""Checks of a spec that need more than one of its fields."""

from collections.abc import Collection, Sequence
from pathlib import Path

from ..search_spaces import SearchSpace
from ..search_spaces.values import cut
from ..trainers.command import FACTS, Command
from .errors import InvalidSpecError
from .spec_parts import FuseSpec
from .spec_workers import WorkersSpec


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


def check_processes(kinds: Sequence[WorkersSpec], trainer: object, fuse: FuseSpec) -> None:
    """Refuses several processes a worker for what they cannot train.

    Args:
        kinds: The kinds of workers.
        trainer: The training code; a mapping is a command.
        fuse: Which trials are trained as one model.

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
