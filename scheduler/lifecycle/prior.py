"""The results of an earlier sweep that a sweep keeps, `prior.parquet`: written, checked and read."""

import zlib
from collections.abc import Mapping, Sequence
from math import inf, isfinite
from typing import Any

import numpy as np

from ...search_spaces import Value
from ..core.proposers.observations import Observations
from ..core.proposers.transfer import Transfer
from ..core.trials.goal import sign_of
from ..core.trials.trial import TrialResults
from ..errors import ResultsError
from ..spec.spec import SweepSpec
from ..storage import SweepDirectory


def prior_of(spec: SweepSpec, trials: Sequence[TrialResults] | None) -> Observations | None:
    """The results of an earlier sweep as a model sees them, before a directory holds them; None without any."""
    return None if trials is None else _observations(trials, spec)


def save_prior(directory: SweepDirectory, spec: SweepSpec, trials: Sequence[TrialResults]) -> None:
    """Copies what a new sweep uses of the earlier one into its own directory, so that it needs no other again."""
    from ..results.prior import write_prior  # noqa: PLC0415 most sweeps start from no other, and need no Arrow for it
    from ..results.schema import SweepMetadata  # noqa: PLC0415

    metadata = SweepMetadata.of(spec.metric, spec.mode, spec.search_space.value_types)
    write_prior(directory.prior, trials, metadata, directory.staging)


def saved_prior(directory: SweepDirectory, spec: SweepSpec) -> Observations | None:
    """The results that `save_prior` copied; None where the sweep starts from no other.

    Raises:
        ResultsError: The copy is not there or cannot be read.
    """
    return None if spec.warm_start is None else _observations(_read(directory), spec)


def carried_prior(directory: SweepDirectory, first: SweepSpec, spec: SweepSpec) -> Observations | None:
    """The copy of `save_prior` as a sweep sees it with a spec edited since; None where there is nothing to use.

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
    trials = _read(directory)
    kept = [
        TrialResults(trial.trial, config, values)
        for trial, transferred in zip(trials, transfer([trial.config for trial in trials]), strict=True)
        if (values := {step: value for step, value in trial.values.items() if step <= spec.resource.max})
        for config in transferred.configs
    ]
    return _observations(kept, spec) if kept else None


def prior_mark(directory: SweepDirectory, spec: SweepSpec) -> dict[str, str]:
    """A run's note of `prior.parquet` in the journal, so that a change is noticed; nothing where there is none."""
    return {} if spec.warm_start is None else {"prior": f"{zlib.crc32(directory.prior.read_bytes()):08x}"}


def recorded_prior(events: Sequence[Mapping[str, Any]]) -> str | None:
    """The CRC-32 of `prior.parquet` that the journal notes; None where it notes none."""
    return next((event["prior"] for event in events if "prior" in event), None)


def check_prior(directory: SweepDirectory, spec: SweepSpec, events: Sequence[Mapping[str, Any]]) -> None:
    """Looks whether `prior.parquet` is the file with which the sweep began.

    Raises:
        ResultsError: It is not.
    """
    recorded = recorded_prior(events)
    if recorded is not None and prior_mark(directory, spec).get("prior") != recorded:
        raise ResultsError(
            f"{directory.prior} is not the file that the sweep began with: put it back from a copy, or see what can be"
            f" repaired with caviar doctor {directory.path}"
        )


def _unknown(first: SweepSpec, spec: SweepSpec) -> dict[str, Value]:
    return {name: value for name, value in spec.assume.items() if name not in first.space}


def _read(directory: SweepDirectory) -> Sequence[TrialResults]:
    from ..results.prior import read_prior  # noqa: PLC0415 most sweeps start from no other, and need no Arrow for it

    return read_prior(directory.prior)


def _observations(trials: Sequence[TrialResults], spec: SweepSpec) -> Observations:
    sign = sign_of(spec.mode)
    points = spec.search_space.encode([trial.config for trial in trials])
    values = [value for trial in trials for value in trial.values.values()]
    return Observations(
        np.repeat(points, [len(trial.values) for trial in trials], axis=0),
        np.array([step for trial in trials for step in trial.values], np.int64),
        np.array([sign * value if isfinite(value) else inf for value in values], np.float64),
    )
