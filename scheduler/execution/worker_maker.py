"""Makes the Ray actors of one kind of worker."""

import sys
from dataclasses import replace
from typing import Any

import ray
from ray import cloudpickle

from ...trainers import TrainerError
from ..core.placement import WorkerKind
from .settings import EngineSettings
from .threads import thread_variables
from .worker import Worker, WorkerSettings

_CALLS_AT_ONCE = 3
"""A worker answers a poll while it takes new work or a request to pause."""


class WorkerMaker:
    """Makes workers of one kind; Ray must be initialised.

    Args:
        kind: The kind.
        settings: What every worker is told.
    """

    def __init__(self, kind: WorkerKind, settings: EngineSettings) -> None:
        self.kind = kind
        paths = tuple(path for path in sys.path if path)
        told = _pickled(replace(settings, warm=kind.warm))
        self._settings = ray.put(WorkerSettings(told, thread_variables(kind.cpu), paths))
        self._actor_class = ray.remote(Worker).options(
            num_cpus=kind.cpu,
            num_gpus=kind.gpu,
            memory=kind.memory,
            label_selector=dict(kind.labels) or None,
            max_concurrency=_CALLS_AT_ONCE,
        )

    def make(self) -> Any:
        """Starts a worker, which Ray places as soon as there is room."""
        return self._actor_class.remote(self._settings)


def _pickled(settings: EngineSettings) -> bytes:
    try:
        pickled: bytes = cloudpickle.dumps(settings)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise TrainerError(
            f"{settings.trainer.name} cannot be sent to the workers ({error}): make what it refers to inside of it"
        ) from error
    return pickled
