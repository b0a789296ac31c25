"""The trials of a sweep that are trained as one model: resolved from the training code, the space and a measurement."""

from collections.abc import Set

from ...search_spaces import SearchSpace
from ...trainers import Fusing, Trainer, TrainerKind
from ..core.controllers.registry import make_controller
from ..core.state import SweepState
from ..core.trials.assignment import Assignment, split_groups
from ..errors import InvalidSpecError
from ..spec.parts import FuseSpec
from ..spec.spec import SweepSpec

_SAMPLE = 8
"""Trials that are opened to measure how many to train together; more are imagined."""


def resolve_fusing(spec: SweepSpec, trainer: Trainer) -> SweepSpec:
    """The spec with the names by which trials are grouped; a size of "auto" stays for a lane, to be measured.

    Args:
        spec: The spec.
        trainer: Its training code.

    Raises:
        InvalidSpecError: Trials are to be fused, and the training code is no lane or the controller starts them alone;
            or a lane is to be trained by several processes.
    """
    _check_processes(spec, trainer)
    fuse, fusing = spec.fuse, trainer.fusing
    if fusing is None:
        return _alone(spec, f"{trainer.name} is no lane, and only a lane can be fused")
    if spec.controller.kind.alone is not None:
        return _alone(spec, f"{spec.controller.name} {spec.controller.kind.alone}")
    space = spec.search_space
    # A group is trained by one worker, which must take all of it.
    choosing = {name for kind in spec.worker_kinds for name in kind.when}
    padded = _padded(space, fusing, choosing) if fuse.padded is None else fuse.padded
    static = _static(space, fusing, {*fusing.varying, *padded} - choosing) if fuse.static is None else fuse.static
    return with_fusing(spec, FuseSpec(size=fuse.size, static=static, padded=padded))


def _check_processes(spec: SweepSpec, trainer: Trainer) -> None:
    most = max(kind.processes for kind in spec.worker_kinds)
    if most > 1 and trainer.kind is TrainerKind.LANE:
        raise InvalidSpecError(
            f"workers.processes: {trainer.name} is a lane, whose loop trains in one process, got {most}; leave it out,"
            " or write a generator function or a class."
        )


def _alone(spec: SweepSpec, reason: str) -> SweepSpec:
    """The spec with every trial trained alone, unless the person wants them together."""
    size = spec.fuse.size
    if size not in {"auto", 1}:
        raise InvalidSpecError(f"fuse: {size} trials are to be trained together, but {reason}; leave it out.")
    return with_fusing(spec, FuseSpec(size=1, static=(), padded=()))


def with_fusing(spec: SweepSpec, fuse: FuseSpec) -> SweepSpec:
    """The spec with another `fuse`."""
    return spec.model_copy(update={"fuse": fuse})


def with_group_size(spec: SweepSpec, size: int) -> SweepSpec:
    """The spec with a measured group size."""
    return with_fusing(spec, spec.fuse.model_copy(update={"size": size}))


def sample_group(spec: SweepSpec) -> list[Assignment]:
    """Trials that the sweep could train together: the largest group of its first bracket, with the largest widths.

    A group holds a few trials at most, enough to be measured.
    """
    spec = with_group_size(spec, _SAMPLE)
    state = SweepState(make_controller(spec.search), spec.mode, spec.seed)
    groups: list[list[Assignment]] = []
    while not groups or groups[-1][0].bracket == 0:
        decided = split_groups(state.decide(1))
        if not decided:
            break
        groups += decided
    first = [group for group in groups if group[0].bracket == 0]
    return max(first, key=lambda group: (len(group), _widest(spec, group)))


def fusing_sentence(spec: SweepSpec, reason: str | None = None) -> str:
    """The choice that was made, in one line.

    Args:
        spec: The spec, resolved.
        reason: The reason for training trials one at a time, where the spec does not ask for that.
    """
    fuse = spec.fuse
    if fuse.size == 1:
        return "Training one trial at a time" + (f": {reason}." if reason else ".")
    common = f" that have {', '.join(fuse.static)} in common" if fuse.static else ""
    return f"Fusing up to {fuse.size} trials{common}."


def _padded(space: SearchSpace, fusing: Fusing, choosing: Set[str]) -> tuple[str, ...]:
    """The hyperparameters that the lane can pad, but for those that choose the worker."""
    padded = (name for name in fusing.padded if name not in choosing)
    return tuple(name for name in padded if space.value_types.get(name) in {"integer", "float"})


def _static(space: SearchSpace, fusing: Fusing, free: Set[str]) -> tuple[str, ...]:
    """The static hyperparameters: also all that are no floats, but for those that are free to differ."""
    return tuple(
        name
        for name, kind in space.value_types.items()
        if name in fusing.static or (kind != "float" and name not in free)
    )


def _widest(spec: SweepSpec, group: list[Assignment]) -> tuple[float, ...]:
    widths = [[work.config[name] for work in group if name in work.config] for name in spec.fuse.padded or ()]
    numbers = ([float(width) for width in given if isinstance(width, int | float)] for given in widths)
    return tuple(max(found, default=0.0) for found in numbers)
