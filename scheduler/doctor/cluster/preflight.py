"""Looks at every node before the first trial, and names the obstacles to running a sweep there."""

import logging

from ....trainers import Trainer
from ...errors import WorkerError
from ...execution.cluster.environment import configure_ray_environment
from ...spec.spec import SweepSpec
from .finding import Preflight
from .needs import Needs, needs_of
from .verdicts import findings_of

_logger = logging.getLogger(__name__)


def preflight(spec: SweepSpec | None = None, trainer: Trainer | None = None) -> Preflight:
    """Looks at every node of the Ray that RAY_ADDRESS names, or at this machine.

    Args:
        spec: A spec as `Sweep.spec` has it; None looks at the cluster alone.
        trainer: Its training code; None leaves that out.

    Raises:
        WorkerError: There is no Ray at RAY_ADDRESS, or it refuses this process.
    """
    configure_ray_environment()
    from ...execution.cluster.connect import ray_running  # noqa: PLC0415 Ray takes half a second to import
    from .asking import ask_nodes  # noqa: PLC0415

    needs = Needs() if spec is None else needs_of(spec, trainer)
    with ray_running(sum(kind.cpu * kind.processes for _, kind in needs.kinds)):
        cluster = ask_nodes(needs)
    return Preflight(cluster, findings_of(cluster, needs))


def check_nodes(spec: SweepSpec, trainer: Trainer) -> None:
    """Looks at every node before a sweep's first trial, where there are several; Ray must be initialised.

    Args:
        spec: The sweep's spec.
        trainer: Its training code.

    Raises:
        WorkerError: A node cannot do its part; a line of the message is a finding. Mere warnings are logged.
    """
    from ...execution.cluster.nodes import living_nodes  # noqa: PLC0415 Ray takes half a second to import
    from .asking import ask_nodes  # noqa: PLC0415

    alive = living_nodes()
    if len(alive) == 1 and alive[0]["Resources"].get("CPU"):
        return
    needs = needs_of(spec, trainer)
    cluster = ask_nodes(needs)
    found = Preflight(cluster, findings_of(cluster, needs))
    for finding in found.findings:
        if finding not in found.broken:
            _logger.warning("%s", finding)
    if not found.healthy:
        raise WorkerError("\n".join(map(str, found.broken)))
