"""Locations of sweeps, folders of this machine or URIs of an object store, and other paths that a person gives.

What is given is checked before anything is looked for.
"""

import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from ...search_spaces.values import show
from ..errors import InvalidSpecError
from .object_path import ObjectPath
from .object_store import OPTIONS

Location = Path | ObjectPath

_SECRET = re.compile(
    r"(://)[^/?#\s'\"]*@|(\b(?:access_key|secret_key|session_token|password)=)[^&\s'\"]*", re.IGNORECASE
)
_SECRET_NAMES = {"access_key", "secret_key", "session_token", "password"}


_LONGEST = 4096
_AT_ONCE = 16
"""Objects that are read at a time; most of it is waiting."""

_Read = TypeVar("_Read")


def locate(where: object, what: str = "the sweep's directory") -> Location:
    """The location that a person means by a path or a URI.

    Args:
        where: A path, `file:///…`, `s3://bucket/…` or `gs://bucket/…`.
        what: The name that messages have for it.

    Raises:
        InvalidSpecError: It is neither, or a URI that has a problem.
    """
    if isinstance(where, ObjectPath):
        return where
    text = _path_text(where, what)
    if isinstance(where, os.PathLike) or not is_uri(text):
        return Path(text)
    if problem := uri_problem(text):
        raise InvalidSpecError(f"{what}: {problem}, got {show(without_secrets(text))}.")
    parts = urlsplit(text)
    if parts.scheme == "file":
        return Path(_path_text(unquote(parts.path), what))
    return ObjectPath(parts.scheme, f"{parts.netloc}{parts.path}".rstrip("/"), parts.query)


def given_path(value: object, what: str) -> Path:
    """The path of this machine that a person gave.

    Args:
        value: A string or a path.
        what: The name that messages have for it, such as "the spec's file".

    Raises:
        InvalidSpecError: It is none, or nothing can be found by it.
    """
    return Path(_path_text(value, what))


def in_home(path: str) -> Path:
    """The path with the home folder in the place of `~`.

    Raises:
        ValueError: There is no such person.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError("must be a path; there is no home folder for what begins with ~") from None


def exists(path: Location) -> bool:
    """True where there is a file or folder; a name that no file can have is none."""
    try:
        return path.exists()
    except OSError:
        return False


def read_several(paths: Sequence[Location], read: Callable[[Location], _Read]) -> list[_Read]:
    """The contents of several files, those of an object store read some at a time.

    Args:
        paths: The files.
        read: Reads one.
    """
    if len(paths) < 2 or not isinstance(paths[0], ObjectPath):
        return [read(path) for path in paths]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(read, paths))


def is_uri(text: str) -> bool:
    """True where a text is a URI rather than a path."""
    return "://" in text


def uri_problem(uri: str) -> str | None:
    """The reason why no sweep can lie at a URI; None where one can."""
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        return f"is no URI ({error})"
    return _problem(parts)


def _problem(parts: SplitResult) -> str | None:
    options = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    if parts.scheme == "file":
        wrong = parts.netloc not in {"", "localhost"} or not parts.path
        return "a file of this machine has three slashes, as in file:///data/sweeps" if wrong else None
    if parts.scheme not in OPTIONS:
        return "must be a path, or begin with file://, s3:// or gs://"
    if "@" in parts.netloc or set(_SECRET_NAMES) & set(options):
        return (
            "credentials would be stored with the sweep; leave them out and set AWS_ACCESS_KEY_ID and"
            " AWS_SECRET_ACCESS_KEY, or GOOGLE_APPLICATION_CREDENTIALS, instead"
        )
    if not parts.netloc or parts.fragment or "//" in parts.path:
        return f"must be a bucket and a path in it, as in {parts.scheme}://bucket/sweeps"
    if unknown := [name for name in options if name not in OPTIONS[parts.scheme]]:
        return f"there is no option {unknown[0]}; allowed are {', '.join(OPTIONS[parts.scheme])}"
    return None


def without_secrets(text: str) -> str:
    """A text with … for the credentials in the URIs in it."""
    return _SECRET.sub(lambda found: f"{found[1]}…@" if found[1] else f"{found[2]}…", text)


def _path_text(value: object, what: str) -> str:
    if isinstance(value, str | os.PathLike):
        path = os.fspath(value)
        if isinstance(path, str) and "\0" not in path and 0 < len(path) <= _LONGEST:
            return path
    raise InvalidSpecError(f"{what} must be a path of 1 to {_LONGEST} characters, got {show(value)}.")
