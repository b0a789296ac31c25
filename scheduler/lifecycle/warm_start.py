"""Starting a sweep from those results of an earlier one that a model of the new search space can learn from."""

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import Any

import numpy as np

from ...search_spaces import Value
from ..core.proposers.observations import Observations
from ..core.proposers.transfer import Transfer
from ..core.trials.goal import sign_of
from ..errors import InvalidSpecError, ResultsError
from ..results import Results
from ..results.prior import read_prior, write_prior
from ..results.rungs import TrialResults, trial_results
from ..results.schema import SweepMetadata
from ..spec.parts import WarmStartSpec
from ..spec.spec import SweepSpec
from ..storage import Location, SweepDirectory, is_uri, locate

_BEYOND = "resource.max"


@dataclass(frozen=True, slots=True)
class WarmStart:
    """The results of an earlier sweep that a new one can use.

    Attributes:
        path: The earlier sweep's directory.
        trials: Its trials that fit, with configurations of the new space; one with unknown values several times.
        left_out: Number of trials that do not fit, by the reason: a hyperparameter, the constraints or the resource.
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
        directory: The start of a relative path; the working directory if None.

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
    """The directory of an earlier sweep, from a path that may start in a folder, or from a URI.

    Args:
        path: As a person gives it.
        directory: The start of a relative path.

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
    """The results that a spec can use of the sweep that it starts from; None where it starts from none.

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


def prior_of(spec: SweepSpec, found: WarmStart | None) -> Observations | None:
    """The results of an earlier sweep as a model sees them, before a directory holds them; None without any."""
    return None if found is None else _observations(found.trials, spec)


def save_prior(directory: SweepDirectory, spec: SweepSpec, found: WarmStart) -> None:
    """Copies the results that a new sweep uses into its own directory, so that it needs no other sweep again."""
    metadata = SweepMetadata.of(spec.metric, spec.mode, spec.search_space.value_types)
    write_prior(directory.prior, found.trials, metadata, directory.staging)


def saved_prior(directory: SweepDirectory, spec: SweepSpec) -> Observations | None:
    """The results that `save_prior` copied; None where the sweep starts from no other.

    Raises:
        ResultsError: The copy is not there or cannot be read.
    """
    return None if spec.warm_start is None else _observations(read_prior(directory.prior), spec)


def prior_mark(directory: SweepDirectory, spec: SweepSpec) -> dict[str, str]:
    """The CRC-32 of `prior.parquet` for the journal, so that a change is noticed; empty where there is no such file."""
    return {} if spec.warm_start is None else {"prior": f"{zlib.crc32(directory.prior.read_bytes()):08x}"}


def recorded_prior(events: Sequence[Mapping[str, Any]]) -> str | None:
    """The CRC-32 of `prior.parquet` that the journal notes; None where it notes none."""
    return next((event["prior"] for event in events if "prior" in event), None)


def check_prior(directory: SweepDirectory, spec: SweepSpec, events: Sequence[Mapping[str, Any]]) -> None:
    """Checks that `prior.parquet` is the file with which the sweep began.

    Raises:
        ResultsError: It is not.
    """
    recorded = recorded_prior(events)
    if recorded is not None and prior_mark(directory, spec).get("prior") != recorded:
        raise ResultsError(
            f"{directory.prior} is not the file that the sweep began with: put it back from a copy, or see what can be"
            f" repaired with caviar doctor {directory.path}"
        )


def carried_prior(directory: SweepDirectory, first: SweepSpec, spec: SweepSpec) -> Observations | None:
    """The results that `save_prior` copied, as an edited spec sees them; None where there is nothing to use.

    Args:
        directory: The sweep's directory.
        first: The spec that the sweep began with.
        spec: The spec that it goes on with.

    Raises:
        ResultsError: The copy is not there or cannot be read.
    """
    if first.warm_start is None or first.metric != spec.metric:
        return None
    transfer = Transfer(spec.search_space, first.search_space.names, _unknown(first, spec), spec.seed)
    trials = read_prior(directory.prior)
    kept = [
        TrialResults(trial.trial, config, values)
        for trial, transferred in zip(trials, transfer([trial.config for trial in trials]), strict=True)
        if (values := {step: value for step, value in trial.values.items() if step <= spec.resource.max})
        for config in transferred.configs
    ]
    return _observations(kept, spec) if kept else None


def _unknown(first: SweepSpec, spec: SweepSpec) -> dict[str, Value]:
    return {name: value for name, value in spec.assume.items() if name not in first.space}


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


def _observations(trials: Sequence[TrialResults], spec: SweepSpec) -> Observations:
    sign = sign_of(spec.mode)
    points = spec.search_space.encode([trial.config for trial in trials])
    values = [value for trial in trials for value in trial.values.values()]
    return Observations(
        np.repeat(points, [len(trial.values) for trial in trials], axis=0),
        np.array([step for trial in trials for step in trial.values], np.int64),
        np.array([sign * value if isfinite(value) else inf for value in values], np.float64),
    )
