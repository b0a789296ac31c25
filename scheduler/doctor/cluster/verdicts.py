"""Conclusions from what the nodes say: pure functions from facts to findings."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from ...finding import Severity
from .facts import ClusterFacts, NodeFacts
from .finding import Finding, merged
from .needs import Needs
from .places import place_finding

_SKEW_S = 3.0
_LITTLE, _SHARE = 1 << 30, 0.05
"""Free bytes, and their share of the disk, below either of which a person is warned."""
_NOTHING = 1 << 20
_INSTALL = "install the same version on every node, or let the image have it"


def findings_of(cluster: ClusterFacts, needs: Needs) -> list[Finding]:
    """Everything that is wrong with a cluster, the worst first.

    Args:
        cluster: The facts that are known of it.
        needs: The sweep's demands on it.
    """
    found = [finding for node in cluster.nodes for finding in _of_node(node, cluster.versions, needs)]
    if all(node.silence is not None for node in cluster.nodes):
        found = [replace(finding, severity=Severity.BROKEN) for finding in found]
    if cluster.storage_problem is not None:
        problem, _, advice = cluster.storage_problem.rstrip(".").partition("; ")
        found.append(Finding(Severity.BROKEN, "storage", problem, advice))
    places = [place_finding(field, kind, cluster) for field, kind in needs.kinds]
    return merged([*found, *(place for place in places if place is not None)])


def _of_node(node: NodeFacts, driver: Mapping[str, str], needs: Needs) -> Iterator[Finding]:
    if node.silence is not None:
        # It may have died a moment ago before Ray noticed: a sweep goes on without it.
        advice = "look at its raylet's log, or take it out of the cluster"
        yield Finding(Severity.WARNING, "answer", f"says nothing: {node.silence}", advice, (node.name,))
        return
    yield from _versions(node, driver)
    for check in _CHECKS:
        yield from check(node, needs)


def _versions(node: NodeFacts, driver: Mapping[str, str]) -> Iterator[Finding]:
    has = node.versions
    if node.caviar_error is not None:
        problem = f"Caviar cannot be imported there: {node.caviar_error}"
        advice = f"install caviar {driver.get('caviar', '')} on every node".replace("  ", " ")
        yield _broken("caviar", problem, advice, node)
    elif has.get("caviar") != driver.get("caviar"):
        yield _broken(
            "caviar", f"has Caviar {has.get('caviar')}, and the driver {driver.get('caviar')}", _INSTALL, node
        )
    if has.get("ray") != driver.get("ray"):
        yield _broken("ray", f"has Ray {has.get('ray')}, and the driver {driver.get('ray')}", _INSTALL, node)
    if _minor(has.get("python", "")) != _minor(driver.get("python", "")):
        problem = f"has Python {has.get('python')}, and the driver {driver.get('python')}"
        yield _broken("python", problem, "let all have the same minor version: code is pickled between them", node)
    if _public(has.get("torch")) != _public(driver.get("torch")):
        problem = f"has {_torch(has.get('torch'))}, and the driver {_torch(driver.get('torch'))}"
        yield Finding(Severity.WARNING, "torch", problem, _INSTALL, (node.name,))


def _trainer(node: NodeFacts, needs: Needs) -> Iterator[Finding]:
    if node.trainer_error is not None and needs.trainer is not None:
        missing = node.trainer_error.startswith("No module named")
        advice = (
            "install it on every node, or put it into the image"
            if missing
            else "let it be importable on every node, by a shared folder or an installed package"
        )
        problem = f"cannot import the trainer {needs.trainer.name}: {node.trainer_error.rstrip('.')}"
        yield _broken("trainer", problem, advice, node)


def _data(node: NodeFacts, needs: Needs) -> Iterator[Finding]:
    if node.data_found is False:
        problem = f"data: there is no {needs.data} there"
        yield _broken("data", problem, "copy it to every node, or name a folder that all of them share", node)


def _storage(node: NodeFacts, needs: Needs) -> Iterator[Finding]:
    if node.storage_problem is not None:
        problem = f"storage: {needs.storage} {node.storage_problem}"
        advice = "mount the shared folder there, or name storage that every node reaches, such as s3://bucket/sweeps"
        yield _broken("storage", problem, advice, node)


def _clock(node: NodeFacts, _: Needs) -> Iterator[Finding]:
    if abs(node.clock_ahead_s) > _SKEW_S:
        side = "ahead of" if node.clock_ahead_s > 0 else "behind"
        problem = f"its clock is {abs(node.clock_ahead_s):.0f} s {side} the driver's"
        advice = "let a time service such as chrony set it: leases and times of reports go by it"
        yield Finding(Severity.WARNING, "clock", problem, advice, (node.name,))


def _disks(node: NodeFacts, _: Needs) -> Iterator[Finding]:
    for disk in node.disks:
        if disk.free < _NOTHING:
            yield _broken("disk", f"the disk of {disk.purpose}, {disk.path}, is full", "make room", node)
        elif disk.free < max(_LITTLE, _SHARE * disk.total):
            problem = (
                f"only {disk.free / 1e6:,.0f} MB ({disk.free / disk.total:.0%}) are free on the disk of {disk.purpose},"
                f" {disk.path}"
            )
            yield Finding(Severity.WARNING, "disk", problem, "make room, or take a larger one", (node.name,))


def _shared_memory(node: NodeFacts, _: Needs) -> Iterator[Finding]:
    if node.object_store is not None and node.object_store != "/dev/shm":
        problem = f"Ray's object store lies in {node.object_store}, because /dev/shm is too small for it"
        advice = "give the container a larger one, as by docker run --shm-size=2g"
        yield Finding(Severity.WARNING, "shared memory", problem, advice, (node.name,))


def _token(node: NodeFacts, _: Needs) -> Iterator[Finding]:
    if node.asks_for_token and node.token_file is not None and node.token_file[1] & 0o077:
        path, mode = node.token_file
        problem = f"others can read the token of Ray in {path} (mode {mode:o})"
        yield Finding(Severity.WARNING, "token", problem, f"chmod 600 {path}", (node.name,))
    if not node.asks_for_token and node.open_ports:
        problem, advice = "Ray asks for no token and listens on all interfaces", "see docs/cluster.md#without-a-token"
        yield Finding(Severity.WARNING, "token", problem, advice, (node.name,))


def _broken(check: str, problem: str, advice: str, node: NodeFacts) -> Finding:
    return Finding(Severity.BROKEN, check, problem, advice, (node.name,))


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _public(version: str | None) -> str | None:
    """A version without its build, which differs between nodes with and without GPUs."""
    return None if version is None else version.partition("+")[0]


def _torch(version: str | None) -> str:
    return "no torch" if version is None else f"torch {version}"


_CHECKS: tuple[Callable[[NodeFacts, Needs], Iterator[Finding]], ...] = (
    _trainer,
    _data,
    _storage,
    _clock,
    _disks,
    _shared_memory,
    _token,
)
