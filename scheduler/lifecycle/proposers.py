"""The proposer of a sweep's configurations, by its spec."""

from collections.abc import Callable
from functools import cache, partial

from ..core.proposers.proposal import Proposer
from ..errors import InvalidSpecError
from ..spec.parts import ProposerSpec
from ..spec.spec import SweepSpec


def make_proposer(spec: SweepSpec) -> Proposer | None:
    """The proposer that a spec names; None where nothing is learnt from results.

    Args:
        spec: The spec.

    Raises:
        InvalidSpecError: Optuna is not installed, or a sampler is not one of its own or does not take an argument.
    """
    if spec.proposer_name == "design":
        return None
    if spec.proposer is not None and spec.proposer.is_sampler:
        return _optuna_proposer(spec, spec.proposer)
    # The libraries of a model take seconds to import, and sweeps without one should not wait for them.
    from ..core.proposers.model import ModelProposer  # noqa: PLC0415

    return ModelProposer(spec.search_space, spec.resource.max, spec.seed)


def checked_proposer(spec: SweepSpec) -> Callable[[], Proposer | None]:
    """A function that makes the proposer of a spec, once; a sampler of Optuna is made now, which is how it is checked.

    Raises:
        InvalidSpecError: Optuna is not installed, or a sampler is not one of its own or does not take an argument.
    """
    make = cache(partial(make_proposer, spec))
    if spec.proposer is not None and spec.proposer.is_sampler:
        make()
    return make


def _optuna_proposer(spec: SweepSpec, sampler: ProposerSpec) -> Proposer:
    try:
        # Optuna is an extra, and takes a second to import.
        from ..integrations.optuna.proposer import OptunaProposer  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise InvalidSpecError("proposer: optuna is not installed: pip install 'caviar[optuna]'.") from None
    return OptunaProposer(spec.search_space, spec.resource.max, spec.seed, sampler.name, sampler.arguments)
