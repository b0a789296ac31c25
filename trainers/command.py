"""Commands as training code: a list of arguments with places for the configuration's values."""

import json
import shlex
import string
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..search_spaces import Value
from ..search_spaces.values import cut, show
from .errors import TrainerError

FACTS = ("seed", "step", "stop", "checkpoint", "config", "python")
"""Names that a command may hold besides hyperparameters."""

_LONGEST_LINE, _LONGEST_PATH = 100_000, 4096


@dataclass(frozen=True, slots=True)
class Command:
    """A program and its arguments, run without a shell.

    Attributes:
        arguments: The program first. `{name}` stands for a value; `{{` and `}}` are braces.
        directory: The working directory.
        names: The names in braces, in the order of their first use.
    """

    arguments: tuple[str, ...]
    directory: Path
    names: tuple[str, ...]

    @classmethod
    def parse(cls, command: Mapping[str, Any] | Sequence[str], directory: Path) -> "Command":
        """Reads a list of arguments, or `{"command": line or list}` with an optional `directory`.

        Raises:
            TrainerError: It is empty, has unknown keys, or its names in braces contradict each other.
        """
        if isinstance(command, Mapping):
            unknown = sorted(set(command) - {"command", "directory"})
            if unknown or "command" not in command:
                raise TrainerError(
                    "trainer: a mapping has the key command, and may have directory; it has"
                    f" {cut(', '.join(map(str, command)))}"
                )
            directory = (directory / _directory(command.get("directory", "."))).resolve()
            command = command["command"]
        arguments = _arguments(command)
        names = tuple(dict.fromkeys(name for argument in arguments for name in _names(argument)))
        _check_names(names)
        return cls(arguments, directory, names)

    @property
    def reference(self) -> dict[str, Any]:
        """The form that a spec holds and `parse` reads."""
        return {"command": list(self.arguments), "directory": str(self.directory)}

    @property
    def keeps_checkpoint(self) -> bool:
        """True where the command saves and restores its own state."""
        return "checkpoint" in self.names

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        """The names in braces that a configuration has to give."""
        return tuple(name for name in self.names if name not in FACTS)

    def fill(self, config: Mapping[str, Value], facts: Mapping[str, object]) -> list[str]:
        """The arguments with each name in braces replaced by its value.

        Args:
            config: The configuration; it goes before the facts where both have a name.
            facts: Values of the names in `FACTS`, except `config` and `python`.

        Raises:
            TrainerError: A name is in neither.
        """
        values = {"python": sys.executable, "config": dict(config), **facts, **config}
        for name in self.names:
            if name not in values:
                raise TrainerError(
                    f"the command names {{{name}}}, which the configuration does not hold: it holds "
                    f"{', '.join(config)}; pass {{config}}, a JSON object, where a hyperparameter may be inactive"
                )
        return [argument.format_map({name: _text(values[name]) for name in self.names}) for argument in self.arguments]


def _directory(directory: object) -> str:
    if isinstance(directory, str | Path) and _is_plain(str(directory)) and len(str(directory)) <= _LONGEST_PATH:
        return str(directory)
    raise TrainerError(f"trainer: the command's directory is a path, got {show(directory)}")


def _arguments(command: object) -> tuple[str, ...]:
    arguments = _split(command) if isinstance(command, str) else command
    if isinstance(arguments, list | tuple) and arguments and all(map(_is_plain, arguments)):
        return tuple(arguments)
    raise TrainerError(f"trainer: a command is a line or a list of strings, not {show(command)}")


def _is_plain(text: object) -> bool:
    """True for text that a program can be given: the system's strings end at a NUL and are bytes."""
    return isinstance(text, str) and "\0" not in text and not any("\ud800" <= mark <= "\udbff" for mark in text)


def _split(line: str) -> list[str]:
    if len(line) > _LONGEST_LINE:
        raise TrainerError(f"trainer: a command's line has at most {_LONGEST_LINE:,} characters, got {show(line)}")
    try:
        return shlex.split(line)
    except ValueError as error:
        raise TrainerError(f"trainer: the command {show(line)} cannot be split into arguments: {error}") from None


def _names(argument: str) -> list[str]:
    try:
        fields = list(string.Formatter().parse(argument))
    except ValueError as error:
        raise TrainerError(
            f"trainer: the argument {show(argument)} has unpaired braces ({error}): double literal ones"
        ) from None
    names = [name for _, name, _, _ in fields if name is not None]
    if any(spec or conversion for _, _, spec, conversion in fields) or not all(map(str.isidentifier, names)):
        raise TrainerError(
            f"trainer: the argument {show(argument)} has braces that hold no plain name such as {{lr}}:"
            " double literal ones"
        )
    return names


def _check_names(names: Sequence[str]) -> None:
    if "checkpoint" in names and "stop" not in names:
        raise TrainerError(
            "trainer: the command has {checkpoint} without {stop}: it needs the step after which to save and exit"
        )
    if "step" in names and "checkpoint" not in names:
        raise TrainerError(
            "trainer: the command has {step} without {checkpoint}: it needs a directory to continue that step from"
        )


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
