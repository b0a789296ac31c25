"""Facts before the first trial: each node's answers, the driver's versions, the autoscaler's possible types."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk that a node uses.

    Attributes:
        purpose: Its use.
        path: The folder.
        free: Free bytes.
        total: Bytes in all.
    """

    purpose: str
    path: str
    free: int
    total: int


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One node.

    Attributes:
        name: Its name in messages: its address, with what tells it from others of that address.
        resources: Its resources in all, by Ray's names.
        labels: Its labels.
        silence: Why it said nothing; None where it answered, and everything below is what it said.
        versions: Versions of python, ray, caviar and torch; what is not installed is absent.
        caviar_error: Why Caviar cannot be imported; None where it can.
        trainer_error: Why the training code cannot be imported; None where it can or was not asked for.
        data_found: True where the sweep's data are there; None where it has none.
        storage_problem: The reason why it cannot share the storage; None where it can.
        clock_ahead_s: Seconds that its clock is ahead of the driver's, the way there and back taken off.
        disks: The disks that it uses.
        object_store: The folder of Ray's object store.
        asks_for_token: True where its Ray asks for a token.
        token_file: The file of the token, and its mode; None where the token is in no file.
        open_ports: Programs of Ray that listen on all interfaces, each with its port.
        kubernetes: True where it is a pod.
        monitor: True where Ray's monitor runs on it, which is the autoscaler where it has a file.
        node_types: Types of node that an autoscaler on it could start; None where none runs there or none is known.
    """

    name: str
    resources: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    silence: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    caviar_error: str | None = None
    trainer_error: str | None = None
    data_found: bool | None = None
    storage_problem: str | None = None
    clock_ahead_s: float = 0.0
    disks: Sequence[Disk] = ()
    object_store: str | None = None
    asks_for_token: bool = True
    token_file: tuple[str, int] | None = None
    open_ports: Sequence[tuple[str, int]] = ()
    kubernetes: bool = False
    monitor: bool = False
    node_types: Mapping[str, Mapping[str, Any]] | None = None

    @property
    def head(self) -> bool:
        """True where it is the head of its cluster."""
        return "node:__internal_head__" in self.resources


@dataclass(frozen=True, slots=True)
class NodeType:
    """A type of node that the autoscaler can start.

    Attributes:
        name: Its name.
        resources: Resources of one node.
        labels: Labels of one node.
        most: Greatest number of them; None for any number.
    """

    name: str
    resources: Mapping[str, float]
    labels: Mapping[str, str] = field(default_factory=dict)
    most: int | None = None


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """The whole cluster.

    Attributes:
        versions: The driver's versions.
        nodes: Every node that is alive.
        node_types: Types of node that the autoscaler could start; empty where there is none.
        hidden_autoscaler: True where an autoscaler may run whose types of node cannot be read.
        storage_problem: Why the driver itself cannot write the storage.
    """

    versions: Mapping[str, str]
    nodes: Sequence[NodeFacts]
    node_types: Sequence[NodeType] = ()
    hidden_autoscaler: bool = False
    storage_problem: str | None = None
