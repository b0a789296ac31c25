"""Variables by which `torch.distributed` finds the processes of one worker: as `torchrun` says it."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RankAddress:
    """Address of a process: its node and its GPUs.

    Attributes:
        node: The id of its node.
        address: The address of its node.
        devices: The GPUs that it was given, as in CUDA_VISIBLE_DEVICES; none for a process without one.
    """

    node: str
    address: str
    devices: tuple[str, ...] = ()


def rank_order(addresses: Sequence[RankAddress]) -> list[int]:
    """The positions of processes in the order of their ranks: the first stays first, those of a node are neighbours.

    Args:
        addresses: The addresses of the processes.
    """
    nodes = list(dict.fromkeys(address.node for address in addresses))
    return sorted(range(len(addresses)), key=lambda position: nodes.index(addresses[position].node))


def rank_variables(addresses: Sequence[RankAddress], port: int) -> list[dict[str, str]]:
    """The environment variables of each process.

    The processes of a node see the GPUs of all of them, in the order of their ranks, so that the first GPU of a process
    is number LOCAL_RANK times the GPUs a process, as code that is written for `torchrun` expects.

    Args:
        addresses: The addresses of the processes, in the order of their ranks.
        port: A port that is free on the first one's node.
    """
    return [_variables(addresses, rank, port) for rank in range(len(addresses))]


def _variables(addresses: Sequence[RankAddress], rank: int, port: int) -> dict[str, str]:
    beside = [other for other, address in enumerate(addresses) if address.node == addresses[rank].node]
    variables = {
        "RANK": rank,
        "WORLD_SIZE": len(addresses),
        "LOCAL_RANK": beside.index(rank),
        "LOCAL_WORLD_SIZE": len(beside),
        "MASTER_ADDR": addresses[0].address,
        "MASTER_PORT": port,
    }
    devices = [device for other in beside for device in addresses[other].devices]
    return {name: str(value) for name, value in variables.items()} | (
        {"CUDA_VISIBLE_DEVICES": ",".join(devices)} if devices else {}
    )


def reserve_port(address: str) -> int:
    """A port of this machine that no other program gets by chance as long as this process lives.

    Whoever asks for this port and sets SO_REUSEADDR, as `torch.distributed` does, can listen on it.

    Args:
        address: An address of this machine.
    """
    held = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((address, 0))
    port: int = held.getsockname()[1]
    held.detach()
    return port
