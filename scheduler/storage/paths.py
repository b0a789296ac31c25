"""Paths that a person gives: checked before anything is looked for."""

import os
from pathlib import Path

from ...search_spaces.values import show
from ..errors import SweepError

_LONGEST = 4096


def given_path(value: object, what: str) -> Path:
    """What a person gave as a path.

    Args:
        value: A string or a path.
        what: What messages call it, such as "the sweep's directory".

    Raises:
        SweepError: It is none, or nothing can be found by it.
    """
    if isinstance(value, str | os.PathLike):
        path = os.fspath(value)
        if isinstance(path, str) and "\0" not in path and 0 < len(path) <= _LONGEST:
            return Path(path)
    raise SweepError(f"{what} must be a path of 1 to {_LONGEST} characters, got {show(value)}.")


def in_home(path: str) -> Path:
    """The path with the home folder in the place of `~`.

    Raises:
        ValueError: There is no such person.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError("must be a path; there is no home folder for what begins with ~") from None


def exists(path: Path) -> bool:
    """Whether there is a file or folder; a name that no file can have is none."""
    try:
        return path.exists()
    except OSError:
        return False
