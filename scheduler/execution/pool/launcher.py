"""Makes the Ray actors of one kind of worker."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray import cloudpickle
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from ....trainers import TrainerError
from ...core.placement.kinds import WorkerKind
from ..worker.ranks.actor import Worker
from ..worker.ranks.actor_settings import ActorSettings
from ..worker.ranks.process import RankProcess
from ..worker.settings import TrainingSettings, thread_variables

_CALLS_AT_ONCE = 3
"""A worker answers a poll while it takes new work or a request to pause."""
_LIFE = 2
"""Calls that a rank's process answers beside its training: one that lasts as long as it lives, and questions."""


@dataclass(frozen=True, slots=True)
class _ProcessGroup:
    """The parts of a worker of several processes besides the actor of rank 0."""

    group: PlacementGroup
    processes: Sequence[Any]

    def end(self) -> None:
        for process in self.processes:
            ray.kill(process)
        remove_placement_group(self.group)


class WorkerLauncher:
    """Makes workers of one kind, and ends them; Ray must be initialised.

    Args:
        kind: The kind.
        settings: The settings of every worker.
    """

    def __init__(self, kind: WorkerKind, settings: TrainingSettings) -> None:
        self.kind = kind
        paths = tuple(path for path in sys.path if path)
        told = _pickled(replace(settings, warm=kind.warm))
        self._settings = ray.put(ActorSettings(told, thread_variables(kind.cpu), paths))
        self._uses = {"num_cpus": kind.cpu, "num_gpus": kind.gpu, "memory": kind.memory}
        self._worker = ray.remote(Worker)
        self._process = ray.remote(concurrency_groups={"life": _LIFE})(RankProcess)  # type: ignore[call-overload]
        self._process_groups: dict[Any, _ProcessGroup] = {}
        """By the actor of rank 0."""

    def launch(self) -> Any:
        """Starts a worker, which Ray places as soon as there is room; of several processes this is rank 0."""
        if self.kind.processes > 1:
            return self._launch_together()
        return self._start((), label_selector=dict(self.kind.labels) or None)

    def end(self, actor: Any) -> None:
        """Kills all processes of a worker, wherever they are, and gives its room back."""
        ray.kill(actor)
        process_group = self._process_groups.pop(actor, None)
        if process_group is not None:
            process_group.end()

    def close(self) -> None:
        """Ends the workers of several processes that are left."""
        for actor in list(self._process_groups):
            self.end(actor)

    def _start(self, processes: Sequence[Any], **where: Any) -> Any:
        options = self._worker.options(**self._uses, **where, max_concurrency=_CALLS_AT_ONCE)
        return options.remote(self._settings, processes)

    def _launch_together(self) -> Any:
        bundles = [self.kind.needs] * self.kind.processes
        labels = [dict(self.kind.labels)] * len(bundles)
        group = placement_group(bundles, strategy="PACK", bundle_label_selector=labels)
        first, *others = (PlacementGroupSchedulingStrategy(group, place) for place in range(len(bundles)))
        processes = [self._process.options(**self._uses, scheduling_strategy=other).remote() for other in others]
        actor = self._start(processes, scheduling_strategy=first)
        self._process_groups[actor] = _ProcessGroup(group, processes)
        return actor


def _pickled(settings: TrainingSettings) -> bytes:
    try:
        pickled: bytes = cloudpickle.dumps(settings)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise TrainerError(
            f"{settings.trainer.name} cannot be sent to the workers ({error}): make what it refers to inside of it"
        ) from error
    return pickled
