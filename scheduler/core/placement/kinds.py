"""The workers that may train a trial: kinds of workers, and what each of them takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ....search_spaces import Value

When = Mapping[str, Sequence[Value]]
"""The values that hyperparameters must have, by name; nothing takes every trial."""
KindIndices = tuple[int, ...]
"""Places of the kinds of workers that may train something, the preferred one first."""


@dataclass(frozen=True, slots=True)
class WorkerKind:
    """One kind of worker.

    Attributes:
        cpu: CPUs of each process, above 0.
        gpu: GPUs of each process, at least 0; a fraction shares one.
        memory: Bytes of memory of each process that are set aside; none in particular if None.
        labels: The conditions on the labels of a node, as Ray's selectors: `H100`, `!H100`, `in(H100,A100)`.
        processes: Processes that train a trial together, at least 1.
        when: The trials that it takes.
        count: Number of them, at least 1; None for as many as there is room and work for.
        warm: Trials that each keeps in memory, at least 0.
    """

    cpu: float = 1
    gpu: float = 0
    memory: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    processes: int = 1
    when: When = field(default_factory=dict)
    count: int | None = None
    warm: int = 8

    @property
    def needs(self) -> dict[str, float]:
        """The resources that each process takes of a node, by Ray's names."""
        needs = {"CPU": self.cpu, "GPU": self.gpu, "memory": self.memory or 0}
        return {name: need for name, need in needs.items() if need}


def suits(when: When, config: Mapping[str, Value]) -> bool:
    """True where a configuration has the values that are asked for; an inactive hyperparameter has none."""
    return all(name in config and _is_among(config[name], values) for name, values in when.items())


def eligible_kinds(kinds: Sequence[WorkerKind], configs: Sequence[Mapping[str, Value]]) -> KindIndices:
    """The kinds of workers that take all of these configurations together."""
    return tuple(place for place, kind in enumerate(kinds) if all(suits(kind.when, config) for config in configs))


def _is_among(value: Value, values: Sequence[Value]) -> bool:
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in values)
