"""What proposes a sweep's configurations, by its spec."""

from .core.proposal import Proposer
from .spec import SweepSpec


def make_proposer(spec: SweepSpec) -> Proposer | None:
    """The proposer that a spec names; None where nothing is learnt from results.

    Args:
        spec: The spec.
    """
    if spec.proposer_name == "design":
        return None
    # What models need takes seconds to import, which sweeps without one should not wait for.
    from .core.model_proposer import ModelProposer  # noqa: PLC0415

    return ModelProposer(spec.search_space, spec.resource.max, spec.seed)
