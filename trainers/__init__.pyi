"""The names that `__init__.py` imports when they are asked for, as type checkers see them."""

from .errors import TrainerError
from .opening import fuse_trainings, measure_group_size, open_training
from .protocol import FusedTrainings, Fusing, Training
from .trainer import Reference, Trainer, TrainerKind, TrainerLike, load_trainer
from .trial import Trial

__all__ = [
    "FusedTrainings",
    "Fusing",
    "Reference",
    "Trainer",
    "TrainerError",
    "TrainerKind",
    "TrainerLike",
    "Training",
    "Trial",
    "fuse_trainings",
    "load_trainer",
    "measure_group_size",
    "open_training",
]
