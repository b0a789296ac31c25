"""The training of one trial: training code in any of its three forms, opened, stepped, saved and restored.

Nothing is imported before it is asked for: a spec needs to know commands, not the code that trains.
"""

from ..search_spaces.lazy_names import lazy_names

_PLACES = {
    "FusedTrainings": "protocol",
    "Fusing": "protocol",
    "Reference": "trainer",
    "Trainer": "trainer",
    "TrainerError": "errors",
    "TrainerKind": "trainer",
    "TrainerLike": "trainer",
    "Training": "protocol",
    "Trial": "trial",
    "fuse_trainings": "opening",
    "load_trainer": "trainer",
    "measure_group_size": "opening",
    "open_training": "opening",
}
"""The module of each name."""

__all__ = list(_PLACES)

__getattr__, __dir__ = lazy_names(__name__, _PLACES)
