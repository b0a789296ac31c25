"""The workers of a sweep: on the Ray that is initialised, or on this machine."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from ...trainers import Trainer
from ..core.placement.kinds import WorkerKind
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


@contextmanager
def workers_on_demand(
    sweep: PreparedSweep, check: NodeCheck | None = None
) -> Iterator[Callable[[], MeasuringExecutor]]:
    """A function that starts the workers when it is called first; they end with the block.

    Args:
        sweep: The sweep.
        check: Looks at the cluster before the first worker starts, if given.

    Raises:
        WorkerError: Workers cannot be started.
    """
    with ExitStack() as stack:
        yield cache(lambda: stack.enter_context(_workers(sweep, check)))


@contextmanager
def _workers(sweep: PreparedSweep, check: NodeCheck | None) -> Iterator[MeasuringExecutor]:
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
        executor = RayExecutor(_settings(sweep), kinds, sweep.proposer())
        try:
            yield executor
        finally:
            executor.close()


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
