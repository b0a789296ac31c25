"""The sweeps that are killed: different training code, controllers and states, all of a few seconds on two workers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_RATES = {"rate": {"log": [0.01, 0.9]}, "floor": {"uniform": [0.0, 0.1]}}
_COMMON: Mapping[str, Any] = {
    "metric": "loss",
    "space": _RATES,
    "resource": {"min": 1, "max": 9, "eta": 3},
    "budget": {"trials": 27},
    "workers": {"cpu": 1, "count": 2},
    "seed": 3,
    "max_failures": 1000,
}


@dataclass(frozen=True, slots=True)
class Subject:
    """One sweep.

    Attributes:
        name: Its name.
        fields: Its spec, but for the fields that say where it lies.
        repeats: Whether its table of trials is the same in every run.
        tolerance: The relative difference that its values may have; 0 is none.
        counted: Whether its training code says which trial each trained step was of.
    """

    name: str
    fields: Mapping[str, Any]
    repeats: bool = True
    tolerance: float = 0.0
    counted: bool = True


def _subject(name: str, trainer: str, *, fields: Mapping[str, Any] | None = None, **rest: Any) -> Subject:
    return Subject(name, {**_COMMON, "name": name, "trainer": f"tests.chaos.{trainer}", **(fields or {})}, **rest)


SUBJECTS: Mapping[str, Subject] = {
    subject.name: subject
    for subject in (
        _subject("generator", "training:walk", fields={"controller": "hyperband"}),
        _subject("class", "training:Fit", fields={"controller": "hyperband"}),
        _subject("learning", "training:walk", fields={"controller": "coarse_to_fine", "budget": {"trials": 36}}),
        # Which trials are promoted follows from the order in which they end.
        _subject("asha", "training:walk", fields={"controller": "asha"}, repeats=False),
        # A group whose worker was killed is trained on one by one, which may round differently.
        _subject(
            "fused",
            "lane:Waves",
            fields={
                "metric": "val_loss",
                "space": {"lr": {"log": [1e-3, 0.3]}, "momentum": {"inverse_log": [0.8, 0.99]}},
                "controller": "hyperband",
                "fuse": {"size": 4},
            },
            tolerance=1e-4,
            counted=False,
        ),
    )
}
