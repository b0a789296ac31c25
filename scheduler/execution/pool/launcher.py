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
from ..worker.ranks.actor_settings import WorkerSettings
from ..worker.ranks.peer import Peer
from ..worker.settings import EngineSettings, thread_variables

_CALLS_AT_ONCE = 3
"""A worker answers a poll while it takes new work or a request to pause."""
_LIFE = 2
"""Calls that a peer answers beside its training: one that lasts as long as it lives, and questions."""


@dataclass(frozen=True, slots=True)
class _Company:
    """What belongs to a worker of several processes besides the actor of rank 0."""

    group: PlacementGroup
    peers: Sequence[Any]

    def end(self) -> None:
        for peer in self.peers:
            ray.kill(peer)
        remove_placement_group(self.group)


class WorkerMaker:
    """Makes workers of one kind, and ends them; Ray must be initialised.

    Args:
        kind: The kind.
        settings: What every worker is told.
    """

    def __init__(self, kind: WorkerKind, settings: EngineSettings) -> None:
        self.kind = kind
        paths = tuple(path for path in sys.path if path)
        told = _pickled(replace(settings, warm=kind.warm))
        self._settings = ray.put(WorkerSettings(told, thread_variables(kind.cpu), paths))
        self._uses = {"num_cpus": kind.cpu, "num_gpus": kind.gpu, "memory": kind.memory}
        self._worker = ray.remote(Worker)
        self._peer = ray.remote(concurrency_groups={"life": _LIFE})(Peer)  # type: ignore[call-overload]
        self._companies: dict[Any, _Company] = {}
        """By the actor of rank 0."""

    def make(self) -> Any:
        """Starts a worker, which Ray places as soon as there is room; of several processes this is rank 0."""
        if self.kind.processes > 1:
            return self._make_company()
        return self._start((), label_selector=dict(self.kind.labels) or None)

    def end(self, actor: Any) -> None:
        """Kills all processes of a worker, wherever they are, and gives its room back."""
        ray.kill(actor)
        company = self._companies.pop(actor, None)
        if company is not None:
            company.end()

    def close(self) -> None:
        """Ends the workers of several processes that are left."""
        for actor in list(self._companies):
            self.end(actor)

    def _start(self, peers: Sequence[Any], **where: Any) -> Any:
        options = self._worker.options(**self._uses, **where, max_concurrency=_CALLS_AT_ONCE)
        return options.remote(self._settings, peers)

    def _make_company(self) -> Any:
        bundles = [self.kind.needs] * self.kind.processes
        labels = [dict(self.kind.labels)] * len(bundles)
        group = placement_group(bundles, strategy="PACK", bundle_label_selector=labels)
        first, *others = (PlacementGroupSchedulingStrategy(group, place) for place in range(len(bundles)))
        peers = [self._peer.options(**self._uses, scheduling_strategy=other).remote() for other in others]
        actor = self._start(peers, scheduling_strategy=first)
        self._companies[actor] = _Company(group, peers)
        return actor


def _pickled(settings: EngineSettings) -> bytes:
    try:
        pickled: bytes = cloudpickle.dumps(settings)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise TrainerError(
            f"{settings.trainer.name} cannot be sent to the workers ({error}): make what it refers to inside of it"
        ) from error
    return pickled
