"""Starting a sweep from those results of an earlier one that a model of the new search space can learn from."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from ..core.proposers.transfer import Transfer
from ..core.trials.trial import TrialResults
from ..errors import InvalidSpecError, ResultsError
from ..results import Results
from ..results.rungs import trial_results
from ..spec.parts import WarmStartSpec
from ..spec.spec import SweepSpec
from ..storage import Location, is_uri, locate

_BEYOND = "resource.max"


@dataclass(frozen=True, slots=True)
class WarmStart:
    """The results of an earlier sweep that a new one can use.

    Attributes:
        path: The earlier sweep's directory.
        trials: Its trials that fit, with configurations of the new space; one with unknown values several times.
        left_out: Number of others that do not, by the reason: a hyperparameter, the constraints or the resource.
    """

    path: str
    trials: Sequence[TrialResults]
    left_out: Mapping[str, int]

    def __str__(self) -> str:
        results = {(trial.trial, step) for trial in self.trials for step in trial.values}
        trials = {trial for trial, _ in results}
        what = f"{len(results):,} results of {len(trials):,} trials" if len(trials) > 1 else "the results of one trial"
        used = f"Warm start from {self.path}: {what}"
        others = sum(self.left_out.values())
        return f"{used}; {others:,} other trials are left out: {self.reasons}." if others else f"{used}."

    @property
    def reasons(self) -> str:
        """The reasons why trials were left out, the most frequent one first."""
        counts = sorted(self.left_out.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{count:,} for {reason}" for reason, count in counts)


def find_warm_start(spec: SweepSpec, directory: Path | None) -> tuple[SweepSpec, WarmStart | None]:
    """The spec with the absolute path of the sweep that it starts from, and that sweep's results.

    Args:
        spec: The spec.
        directory: The folder where a relative path starts; the working directory if None.

    Returns:
        The spec, and the earlier results that it can use; None where it starts from no other sweep.

    Raises:
        InvalidSpecError: There is no such sweep, or its results are of no use.
    """
    if spec.warm_start is None:
        return spec, None
    path = earlier_directory(spec.warm_start.path, directory or Path.cwd())
    spec = spec.model_copy(update={"warm_start": spec.warm_start.model_copy(update={"path": str(path)})})
    return spec, earlier_results(spec)


def earlier_directory(path: str, directory: Path) -> Location:
    """The place of an earlier sweep: a path that may start in a folder, or a URI.

    Args:
        path: As a person gives it.
        directory: The folder where a relative path starts.

    Raises:
        InvalidSpecError: It is neither.
    """
    if not is_uri(path):
        return (directory / Path(path).expanduser()).resolve()
    try:
        return locate(path)
    except InvalidSpecError as error:
        raise InvalidSpecError(f"warm_start: {error}") from None


def earlier_results(spec: SweepSpec) -> WarmStart | None:
    """The results of the sweep that a spec starts from, as far as it can use them; None where it starts from none.

    Raises:
        InvalidSpecError: There is no such sweep, or its results are of no use.
    """
    warm_start = spec.warm_start
    if warm_start is None:
        return None
    try:
        results = Results.open(warm_start.path)
        _check_comparable(results, spec)
        trials = trial_results(results)
    except ResultsError as error:
        raise InvalidSpecError(f"warm_start: {error}") from None
    return _usable(_transferred(trials, results, spec, warm_start))


def _check_comparable(results: Results, spec: SweepSpec) -> None:
    for field, earlier, mine in (("metric", results.metric, spec.metric), ("mode", results.mode, spec.mode)):
        if earlier != mine:
            raise InvalidSpecError(
                f"warm_start: the sweep in {results.path} has the {field} {earlier!r}, and this one {mine!r};"
                " they must be the same."
            )
    assumed = () if spec.warm_start is None else spec.warm_start.assume
    for name in assumed:
        if name in results.value_types:
            raise InvalidSpecError(
                f"warm_start.assume.{name}: the sweep in {results.path} has values of {name}; leave it out."
            )


def _transferred(
    trials: Sequence[TrialResults], results: Results, spec: SweepSpec, warm_start: WarmStartSpec
) -> WarmStart:
    transfer = Transfer(spec.search_space, results.value_types, warm_start.assume, spec.seed)
    kept: list[TrialResults] = []
    left_out: Counter[str] = Counter()
    for trial, transferred in zip(trials, transfer([trial.config for trial in trials]), strict=True):
        values = {step: value for step, value in trial.values.items() if step <= spec.resource.max}
        if values and transferred.configs:
            kept += [TrialResults(trial.trial, config, values) for config in transferred.configs]
        else:
            left_out[transferred.reason or _BEYOND] += 1
    return WarmStart(warm_start.path, kept, left_out)


def _usable(found: WarmStart) -> WarmStart:
    if any(isfinite(value) for trial in found.trials for value in trial.values.values()):
        return found
    if found.trials or not found.left_out:
        raise InvalidSpecError(f"warm_start: no trial in {found.path} has succeeded; leave it out.")
    raise InvalidSpecError(f"warm_start: no trial in {found.path} fits this sweep ({found.reasons}); leave it out.")
