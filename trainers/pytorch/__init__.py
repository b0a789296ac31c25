"""All that needs torch: trial parts by their standard names, lanes, and ready classifiers.

`Lane` is the base of training code that can be fused; `classifier` is a lane over a person's own data, for a spec's
`trainer: caviar.trainers.pytorch:classifier`; `join_processes` is for training code that several processes run
together. The parts, such as schedules, initialisation or augmentation, stand in `parts`, one module each. Nothing is
imported before it is asked for: checkpoints of any training code that uses torch come through this package, and should
not wait for scikit-learn.
"""

from ...search_spaces.lazy_names import lazy_names
from ..earlier_names import find_earlier_names
from .earlier_names import EARLIER_NAMES

find_earlier_names(__name__, EARLIER_NAMES)

_PLACES = {
    "Data": "lanes.data",
    "Dropout": "parts.dropout",
    "Lane": "lanes.lane",
    "classifier": "classification.classifier:Classifier",
    "join_processes": "processes",
}
"""The module of each name."""

__all__ = list(_PLACES)

__getattr__, __dir__ = lazy_names(__name__, _PLACES)
