"""The demands of a sweep on a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ....trainers import Trainer
from ...core.placement.kinds import WorkerKind
from ...lifecycle.workers import worker_kind
from ...spec.spec import SweepSpec
from ...storage import Location


@dataclass(frozen=True, slots=True)
class Needs:
    """The demands of a sweep on a cluster.

    Attributes:
        kinds: The kinds of workers, each with its field in the spec.
        trainer: The training code; None for no sweep in particular.
        storage: The folder that every node has to see; None for no sweep in particular.
        data: The file or folder that the training code reads, if any.
    """

    kinds: Sequence[tuple[str, WorkerKind]] = ()
    trainer: Trainer | None = None
    storage: Location | None = None
    data: Path | None = None


def needs_of(spec: SweepSpec, trainer: Trainer | None) -> Needs:
    """The demands of a sweep.

    Args:
        spec: Its spec, with an absolute path of its data.
        trainer: Its training code, if it is to be looked at.
    """
    kinds = [worker_kind(kind) for kind in spec.worker_kinds]
    fields = ["workers"] if len(kinds) == 1 else [f"workers.{place}" for place in range(len(kinds))]
    directory = spec.directory.resolve()
    return Needs(
        kinds=tuple(zip(fields, kinds, strict=True)),
        trainer=trainer,
        storage=directory if directory.is_dir() else directory.parent,
        data=None if spec.data is None else Path(spec.data),
    )
