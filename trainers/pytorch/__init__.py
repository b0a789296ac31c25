"""All that needs torch: trial parts by their standard names, lanes, and ready classifiers.

`Lane` is the base of training code that can be fused; `classifier` is a lane over a person's own data, for a spec's
`trainer: caviar.trainers.pytorch:classifier`; `join_processes` is for training code that several processes run
together. The parts, such as schedules, initialisation or augmentation, stand in `parts`, one module each. Nothing is
imported before it is asked for: checkpoints of any training code that uses torch come through this package, and should
not wait for scikit-learn.
"""

from importlib import import_module
from typing import Any

from ..earlier_names import find_earlier_names
from .earlier_names import EARLIER_NAMES

find_earlier_names(__name__, EARLIER_NAMES)

_PLACES = {
    "Data": ("lanes.data", "Data"),
    "Dropout": ("parts.dropout", "Dropout"),
    "Lane": ("lanes.lane", "Lane"),
    "classifier": ("classification.classifier", "Classifier"),
    "join_processes": ("processes", "join_processes"),
}

__all__ = ["Data", "Dropout", "Lane", "classifier", "join_processes"]


def __getattr__(name: str) -> Any:
    """Imports what the package offers when it is asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _PLACES[name]
    return getattr(import_module(f".{module}", __name__), attribute)
