"""Opens a trial of any trainer."""

from collections.abc import Mapping
from pathlib import Path

from ..search_spaces import Value
from .command_training import CommandTraining
from .generator import GeneratorTraining
from .protocol import Training
from .state import load_state
from .stepper import StepperTraining
from .tracking import TrackedObjects
from .trainer import Trainer, TrainerKind
from .trial import Trial


def open_training(  # noqa: PLR0913 each is one fact of the trial, and all but the trainer go by name
    trainer: Trainer,
    *,
    number: int,
    config: Mapping[str, Value],
    seed: int,
    resource_max: int,
    directory: Path | None = None,
    step: int = 0,
) -> Training:
    """Opens a trial, from its beginning or from a checkpoint. Nothing is trained before the first `Training.step`.

    Args:
        trainer: What `load_trainer` gave.
        number: The trial's number in its sweep.
        config: The configuration; the names of inactive hyperparameters are absent.
        seed: The trial's own seed, below 2**32.
        resource_max: The last step that this trial can reach.
        directory: What `Training.save` wrote into, to continue from; None to restore nothing.
        step: The last finished step.

    Raises:
        TrainerError: The checkpoint cannot be read. That it does not fit the code shows in the first step.
    """
    restores_itself = trainer.kind is TrainerKind.COMMAND
    tracked = TrackedObjects(None if directory is None or restores_itself else load_state(directory))
    trial = Trial(config, number=number, seed=seed, resource_max=resource_max, step=step, tracked=tracked)
    if trainer.kind is TrainerKind.COMMAND:
        return CommandTraining(trainer.target, trial, directory)
    if trainer.kind is TrainerKind.CLASS:
        return StepperTraining(trainer.target, trainer.name, trial, tracked)
    return GeneratorTraining(trainer.target, trainer.name, trial, tracked)
