"""Sweeps of lanes, for the tests that train many of them as one model."""

from pathlib import Path
from typing import Any

from caviar.scheduler import Sweep
from caviar.search_spaces import Choice, Integer, Log, Uniform

CODE = Path(__file__).with_name("lane_code.py")


def lanes(storage: Path, code: str = "Waves", **fields: Any) -> Sweep:
    """A sweep of 40 networks of two depths and many widths, some of which diverge."""
    space = {
        "lr": Log(1e-3, 1.0),
        "momentum": Uniform(0.5, 0.95),
        "hidden": Integer(4, 24),
        "layers": Choice([1, 2]),
        "dropout": Uniform(0.0, 0.3),
        **fields.pop("space", {}),
    }
    defaults: dict[str, Any] = {
        "metric": "val_loss",
        "resource": {"unit": "epoch", "min": 1, "max": 9, "eta": 3},
        "budget": {"trials": 40},
        "workers": {"cpu": 1, "count": 2},
        "name": "waves",
        "seed": 5,
        "fuse": 8,
        # What a model proposes follows from the last digits, in which a trial alone differs from a fused one.
        "controller": "hyperband",
    }
    return Sweep(f"{CODE}:{code}", space=space, storage=storage, **{**defaults, **fields})
