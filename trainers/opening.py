"""Opens a trial of any trainer, and fuses open trials."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..search_spaces import Value
from .command_training import CommandTraining
from .generator import GeneratorTraining
from .protocol import FusedTrainings, Training
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
    data: Path | None = None,
    target: str | None = None,
) -> Training:
    """Opens a trial, from its beginning or from a checkpoint. Nothing is trained before the first `Training.step`.

    Args:
        trainer: The training code, from `load_trainer`.
        number: The trial's number in its sweep.
        config: The configuration; the names of inactive hyperparameters are absent.
        seed: The trial's own seed, below 2**32.
        resource_max: The last step that this trial can reach.
        directory: The directory of a `Training.save`, to continue from; None to restore nothing.
        step: The last finished step.
        data: The file or folder that the spec names as `data`.
        target: The column that the spec names as `target`.

    Raises:
        TrainerError: The checkpoint cannot be read. That it does not fit the code shows in the first step.
    """
    restores_itself = trainer.kind is TrainerKind.COMMAND
    tracked = TrackedObjects(None if directory is None or restores_itself else load_state(directory))
    trial = Trial(
        config,
        number=number,
        seed=seed,
        resource_max=resource_max,
        step=step,
        tracked=tracked,
        data=data,
        target=target,
    )
    if trainer.kind is TrainerKind.COMMAND:
        return CommandTraining(trainer.target, trial, directory)
    if trainer.kind is TrainerKind.CLASS:
        return StepperTraining(trainer.target, trainer.name, trial, tracked)
    if trainer.kind is TrainerKind.LANE:
        from .pytorch.lanes.lane_training import LaneTraining  # noqa: PLC0415 torch is only touched where it is needed

        return LaneTraining(trainer.target, trial, tracked)
    return GeneratorTraining(trainer.target, trainer.name, trial, tracked)


def fuse_trainings(trainings: Sequence[Training]) -> FusedTrainings:
    """Fuses open trials of a lane: from now on they are trained together, until they are parted.

    Args:
        trainings: From `open_training` with one trainer of kind LANE, all after the same step, with configurations that
            `Trainer.fusing` lets into one group.

    Raises:
        TrainerError: Their models differ in more than the values of their tensors.
    """
    from .pytorch.lanes.fused import fuse  # noqa: PLC0415 torch is only touched where it is needed

    return fuse(trainings)


def measure_group_size(trainings: Sequence[Training], share: float) -> int:
    """The number of trials of a lane to train together on this device, measured on a few batches.

    Args:
        trainings: Open trials that can be fused; they are not changed. More of them than there are here are imagined by
            repeating them.
        share: The share of the device's memory that a group may take, above 0 and at most 1.

    Returns:
        1 where training them one at a time is faster.
    """
    from .pytorch.lanes.group_size import measure  # noqa: PLC0415 torch is only touched where it is needed

    return measure(trainings, share)
