"""A sweep before it runs: its spec and the parts that the spec names, each found, read and built once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ...trainers import Trainer
from ..core.proposers.proposal import Proposer
from ..spec.spec import SweepSpec
from ..spec.versions import installed_versions
from .fusing import resolve_fusing
from .proposers import checked_proposer
from .validate import find_data
from .warm_start import WarmStart, find_warm_start


@dataclass(frozen=True, slots=True)
class PreparedSweep:
    """A sweep that can run.

    Attributes:
        spec: The spec as resolved.
        trainer: The training code.
        proposer: Makes the proposer of configurations at its first call; None where nothing is learnt from results.
        warm_start: The results of the earlier sweep that it starts from; None where it starts from none, or is resumed.
    """

    spec: SweepSpec
    trainer: Trainer
    proposer: Callable[[], Proposer | None]
    warm_start: WarmStart | None = None

    def with_spec(self, spec: SweepSpec) -> "PreparedSweep":
        """The same with a spec that differs in how trials are fused."""
        return replace(self, spec=spec)


def prepare_sweep(spec: SweepSpec, trainer: Trainer, directory: Path | None) -> PreparedSweep:
    """A new sweep with all that follows from its trainer and from this machine.

    Args:
        spec: The spec.
        trainer: The training code.
        directory: Start of relative paths of the data and of an earlier sweep; the working directory if None.

    Raises:
        InvalidSpecError: Optuna, the data or the earlier sweep are missing, or trials are to be fused that cannot be.
    """
    proposer = checked_proposer(spec)
    spec, warm_start = find_warm_start(spec, directory)
    data = find_data(spec.data, directory)
    found = {
        "trainer": trainer.reference,
        "data": None if data is None else str(data),
        "versions": installed_versions(),
    }
    return PreparedSweep(resolve_fusing(spec.model_copy(update=found), trainer), trainer, proposer, warm_start)
