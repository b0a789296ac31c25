"""How one trial learns: training code in any of its three forms, opened, stepped, saved and restored."""

from .errors import TrainerError
from .opening import open_training
from .protocol import Training
from .trainer import Reference, Trainer, TrainerKind, TrainerLike, load_trainer
from .trial import Trial

__all__ = [
    "Reference",
    "Trainer",
    "TrainerError",
    "TrainerKind",
    "TrainerLike",
    "Training",
    "Trial",
    "load_trainer",
    "open_training",
]
