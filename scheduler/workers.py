"""The workers of a sweep: on the Ray that is initialised, or on this machine."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from ..trainers import Trainer
from .execution.executor import MeasuringExecutor
from .execution.ray_environment import configure_ray_environment
from .execution.settings import EngineSettings
from .proposing import make_proposer
from .spec import SweepSpec


@contextmanager
def workers_on_demand(spec: SweepSpec, trainer: Trainer) -> Iterator[Callable[[], MeasuringExecutor]]:
    """A function that starts the workers when it is called first; they end with the block.

    Args:
        spec: The spec.
        trainer: The training code.

    Raises:
        WorkerError: Workers cannot be started.
    """
    with ExitStack() as stack:
        yield cache(lambda: stack.enter_context(_workers(spec, trainer)))


@contextmanager
def _workers(spec: SweepSpec, trainer: Trainer) -> Iterator[MeasuringExecutor]:
    configure_ray_environment()
    # Ray takes half a second to import, which reading a sweep should not wait for.
    from .execution.cluster import ray_running, worker_resources  # noqa: PLC0415
    from .execution.ray_executor import RayExecutor  # noqa: PLC0415

    workers = spec.workers
    with ray_running(workers.cpu * (workers.count or 1)):
        resources = worker_resources(workers.cpu, workers.gpu, workers.count)
        executor = RayExecutor(_settings(spec, trainer), resources, make_proposer(spec))
        try:
            yield executor
        finally:
            executor.close()


def _settings(spec: SweepSpec, trainer: Trainer) -> EngineSettings:
    return EngineSettings(
        trainer=trainer,
        metric=spec.metric,
        resource_max=spec.resource.max,
        directory=spec.directory.resolve(),
        warm=spec.workers.warm,
        fuse=spec.fuse.size != 1,
        data=None if spec.data is None else Path(spec.data),
        target=spec.target,
        rules=tuple(one.rule for one in spec.on_error),
        timeout=spec.timeout,
        stall_timeout=spec.stall_timeout,
        every=spec.checkpoints.every,
    )
