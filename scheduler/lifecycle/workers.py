"""The workers of a sweep: on the Ray that is initialised, or on this machine."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Literal

from ...search_spaces.values import show
from ...trainers import Trainer
from ..core.placement.kinds import WorkerKind
from ..errors import SweepError
from ..execution.cluster.environment import configure_ray_environment
from ..execution.executor import MeasuringExecutor
from ..execution.worker.settings import TrainingSettings
from ..spec.spec import SweepSpec
from ..spec.workers import WorkerKindSpec
from .prepared import PreparedSweep

NodeCheck = Callable[[SweepSpec, Trainer], None]
"""Checks the nodes of a cluster, and raises where one of them cannot do its part."""

_RAYS_PREFIX = "ray.io/"
_RAYS_LABELS = {"accelerator-type", "availability-region", "availability-zone", "market-type", "node-group", "node-id"}


ExecutorName = Literal["ray", "in_process"]


@contextmanager
def workers_on_demand(
    sweep: PreparedSweep, check: NodeCheck | None = None, executor: ExecutorName = "ray"
) -> Iterator[Callable[[], MeasuringExecutor]]:
    """A function that starts the workers when it is called first; they end with the block.

    Args:
        sweep: The sweep.
        check: Looks at the cluster before the first worker starts, if given.
        executor: The executor that trains, a name in `EXECUTORS`.

    Raises:
        SweepError: There is no such executor, or it cannot train this sweep.
        WorkerError: Workers cannot be started.
    """
    if executor not in EXECUTORS:
        raise SweepError(f"executor: must be {' or '.join(EXECUTORS)}, got {show(executor)}.")
    with ExitStack() as stack:
        yield cache(lambda: stack.enter_context(EXECUTORS[executor](sweep, check)))


@contextmanager
def _on_ray(sweep: PreparedSweep, check: NodeCheck | None) -> Iterator[MeasuringExecutor]:
    spec = sweep.spec
    configure_ray_environment()
    # Ray takes half a second to import, and reading a sweep should not wait for it.
    from ..execution.cluster.connect import check_room, ray_running  # noqa: PLC0415
    from ..execution.pool.executor import RayExecutor  # noqa: PLC0415

    kinds = [worker_kind(kind) for kind in spec.worker_kinds]
    with ray_running(sum(kind.cpu * kind.processes * (kind.count or 1) for kind in kinds)):
        if check is not None:
            check(spec, sweep.trainer)
        check_room(kinds)
        with closing(RayExecutor(_settings(sweep), kinds, sweep.proposer())) as executor:
            yield executor


@contextmanager
def _in_process(sweep: PreparedSweep, _: NodeCheck | None) -> Iterator[MeasuringExecutor]:
    most = max(kind.processes for kind in sweep.spec.worker_kinds)
    if most > 1:
        raise SweepError(
            f"executor: in_process trains in one process, and workers.processes asks for {most}; leave one of them out."
        )
    from ..execution.in_process import InProcessExecutor  # noqa: PLC0415 sweeps on Ray do not need it

    with closing(InProcessExecutor(_settings(sweep), sweep.proposer())) as executor:
        yield executor


EXECUTORS: Mapping[
    ExecutorName, Callable[[PreparedSweep, NodeCheck | None], AbstractContextManager[MeasuringExecutor]]
] = {"ray": _on_ray, "in_process": _in_process}
"""The executors by name: another one is a line here."""


def worker_kind(kind: WorkerKindSpec) -> WorkerKind:
    """A kind of worker as the executor places it."""
    return WorkerKind(
        cpu=kind.cpu,
        gpu=kind.gpu,
        memory=kind.memory,
        labels={_label(name): _selector(value) for name, value in kind.labels.items()},
        processes=kind.processes,
        when=kind.when,
        count=kind.number,
        warm=kind.warm,
    )


def _label(name: str) -> str:
    """A label's name; those that Ray gives to nodes itself may be written without their prefix."""
    return f"{_RAYS_PREFIX}{name}" if name in _RAYS_LABELS else name


def _selector(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else f"in({','.join(value)})"


def _settings(sweep: PreparedSweep) -> TrainingSettings:
    spec = sweep.spec
    return TrainingSettings(
        trainer=sweep.trainer,
        metric=spec.metric,
        resource_max=spec.resource.max,
        directory=spec.directory.resolve(),
        fuse=spec.fuse.size != 1,
        data=None if spec.data is None else Path(spec.data),
        target=spec.target,
        rules=tuple(one.rule for one in spec.on_error),
        timeout=spec.timeout,
        stall_timeout=spec.stall_timeout,
        every=spec.checkpoints.every,
    )
