"""Training code: a function, a class, a lane or a command, loaded from any of the forms that a person may give."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from .command import Command
from .errors import TrainerError
from .protocol import Fusing
from .reference import describe, resolve
from .stepper import STEPPER_METHODS

LANE_METHODS = ("load_data", "make_model", "loss")
"""The methods that a lane defines; `caviar.trainers.pytorch.Lane` has them all."""

LANE_ATTRIBUTES = ("static", "varying", "padded", "data_settings")
"""The attributes that a lane inherits; they tell it from other classes with such methods."""

TrainerLike = Callable[..., Any] | str | Sequence[str] | Mapping[str, Any]
"""Training code as a person may give it: a function, a class, a name or a command."""

Reference = str | dict[str, Any] | None
"""A trainer as a spec writes it and `load_trainer` reads it: a name, a command, or None where there is no name."""


class TrainerKind(str, Enum):
    """The ways to bring training code."""

    GENERATOR = "generator"
    """A generator function of one argument, the trial."""
    CLASS = "class"
    """A class with `step`, `state_dict` and `load_state_dict`, constructed with the trial."""
    LANE = "lane"
    """A class with `load_data`, `make_model` and `loss`, whose trials can be trained as one model."""
    COMMAND = "command"
    """A program that prints its metrics as lines of JSON."""


@dataclass(frozen=True, slots=True)
class Trainer:
    """Training code that was loaded and checked. It can be pickled by cloudpickle.

    Attributes:
        kind: Its form.
        target: The function, the class or the command.
        name: Its name in messages.
        reference: Its name for `load_trainer` in another process; None for an object without a name.
        loaded_from: The arguments of `load_trainer` if it was given a name; such a trainer travels as its name, any
            other as its code.
    """

    kind: TrainerKind
    target: Any
    name: str
    reference: Reference
    loaded_from: tuple[str, Path] | None = None

    @property
    def fusing(self) -> Fusing | None:
        """The trials that can be trained as one model; None where the training code knows nothing of that."""
        if self.kind is not TrainerKind.LANE:
            return None
        lane = self.target
        static = tuple(dict.fromkeys((*lane.static, *lane.data_settings)))
        return Fusing(static, tuple(lane.varying), tuple(lane.padded))

    def __reduce__(self) -> tuple[Callable[..., "Trainer"], tuple[Any, ...]]:
        if self.loaded_from is not None:
            return load_trainer, self.loaded_from
        return Trainer, (self.kind, self.target, self.name, self.reference)


def load_trainer(trainer: TrainerLike, directory: Path | None = None) -> Trainer:
    """Loads training code and checks its kind and signature.

    Args:
        trainer: A generator function, a trainer class, "module:name", "file.py:name", a list of a command's
            arguments, or `{"command": line or list of arguments}`.
        directory: The place of relative paths, modules and running commands; the working directory if None.

    Raises:
        TrainerError: There is no such code, or it has none of the forms.
    """
    directory = (directory or Path.cwd()).resolve()
    if isinstance(trainer, str):
        return _from_name(trainer, directory)
    if isinstance(trainer, Mapping | Sequence):
        command = Command.parse(trainer, directory)
        return Trainer(TrainerKind.COMMAND, command, command.arguments[0], command.reference)
    if not callable(trainer):
        raise TrainerError(
            f"the trainer is a {type(trainer).__name__}: it has to be a generator function, a class, a name such as "
            "train.py:train, or a command"
        )
    name = getattr(trainer, "__qualname__", type(trainer).__name__)
    return Trainer(_kind_of(trainer, name), trainer, name, describe(trainer))


def _from_name(reference: str, directory: Path) -> Trainer:
    target = resolve(reference, directory)
    return Trainer(_kind_of(target, reference), target, reference, describe(target), (reference, directory))


def _kind_of(target: object, name: str) -> TrainerKind:
    like_a_lane = inspect.isclass(target) and all(callable(getattr(target, method, None)) for method in LANE_METHODS)
    if like_a_lane and all(hasattr(target, attribute) for attribute in LANE_ATTRIBUTES):
        return TrainerKind.LANE
    if like_a_lane and not any(hasattr(target, method) for method in STEPPER_METHODS):
        raise TrainerError(
            f"the class {name} has {', '.join(LANE_METHODS)} like a lane and is none: derive it from"
            " caviar.trainers.pytorch.Lane"
        )
    if inspect.isclass(target):
        missing = [method for method in STEPPER_METHODS if not callable(getattr(target, method, None))]
        if missing:
            raise TrainerError(
                f"the trainer class {name} lacks {', '.join(missing)}: it has to define each of "
                f"{', '.join(STEPPER_METHODS)}"
            )
        _check_takes_trial(target, name)
        return TrainerKind.CLASS
    if not callable(target):
        raise TrainerError(f"{name} is a {type(target).__name__}: a trainer is a generator function or a class")
    if not _is_generator_function(target):
        raise TrainerError(f"{name} is not a generator function: it has to yield its metrics after each step")
    _check_takes_trial(target, name)
    return TrainerKind.GENERATOR


def _is_generator_function(target: Any) -> bool:
    while isinstance(target, functools.partial):
        target = target.func
    function = inspect.unwrap(target)
    return inspect.isgeneratorfunction(function) or inspect.isgeneratorfunction(type(function).__call__)


def _check_takes_trial(target: Callable[..., Any], name: str) -> None:
    signature = inspect.signature(target)
    try:
        signature.bind("trial")
    except TypeError:
        raise TrainerError(f"{name}{signature} cannot be called with one argument, the trial") from None
