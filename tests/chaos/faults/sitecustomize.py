"""Kills its own process in the middle of a write below a sweep's directory; the product has no code for it.

Python imports this module at its start in every process that finds the folder on PYTHONPATH: driver and workers.
`CAVIAR_CHAOS` names a file that, while it is there, arms a fault:

    {"nonce": "…", "directory": "/…/sweep", "role": "driver", "event": 17, "hit": "/…/hit"}

A process counts what it does to files below `directory` from when it first sees the nonce. At the event whose number is
given it creates `hit`, writes the fault point's name into it and kills itself; only one process can create that file.
"""

import itertools
import json
import os
import pathlib
import re
import signal
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

_ARMING = os.environ.get("CAVIAR_CHAOS")
_IS_DRIVER = "CAVIAR_CHAOS_DRIVER" not in os.environ
"""The first process of a run: what it starts inherits the variable."""
_lock = threading.Lock()
_seen: dict[str, int] = {}
"""Events so far, by nonce."""
_write, _truncate, _open, _close = os.write, os.truncate, os.open, os.close


def _armed() -> dict[str, Any] | None:
    try:
        with open(str(_ARMING), encoding="utf-8") as file:  # noqa: PTH123 Path.open would come back here
            fault: dict[str, Any] = json.load(file)
    except (OSError, ValueError):
        return None
    role = "driver" if _IS_DRIVER else "worker"
    return fault if fault["role"] == role else None


def _arrive(phase: str, operation: str, path: str, act: Callable[[], object] | None = None) -> None:
    """Counts an event and, where it is the chosen one, does what belongs to it and ends the process."""
    fault = _armed()
    if fault is None or not path.startswith(fault["directory"] + "/"):
        return
    with _lock:
        _seen[fault["nonce"]] = number = _seen.get(fault["nonce"], 0) + 1
    if number == fault["event"]:
        name = f"{fault['role']}: {phase} {operation} of {_kind(path, fault['directory'])} in {_callers()}"
        try:
            descriptor = _open(fault["hit"], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return
        _write(descriptor, name.encode())
        _close(descriptor)
        if act is not None:
            act()
        os.kill(os.getpid(), signal.SIGKILL)


def _kind(path: str, directory: str) -> str:
    """The path below the sweep's directory without what differs from file to file."""
    return re.sub(r"\d+", "N", re.sub(r"\.[0-9a-f]{32}", "", path[len(directory) + 1 :]))


def _callers() -> str:
    """The product's innermost functions that lead here."""
    names: list[str] = []
    frame: FrameType | None = sys._getframe()
    while frame is not None and len(names) < 4:
        path = frame.f_code.co_filename
        if any(part in path for part in ("/scheduler/", "/trainers/")) and "/site-packages/ray/" not in path:
            names.append(f"{Path(path).stem}.{frame.f_code.co_name}")
        frame = frame.f_back
    return " < ".join(names) or "other code"


def _path_of(descriptor: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 the same as above
    except OSError:
        return ""


def _fsync(descriptor: int) -> None:
    path = _path_of(descriptor)
    _arrive("before", "fsync", path)
    if "/staging/" in path and stat.S_ISREG(os.fstat(descriptor).st_mode):
        # Nobody was told yet that this file is written: half of it is what a kill during its writing leaves.
        _arrive("half-way to", "fsync", path, lambda: _truncate(path, os.fstat(descriptor).st_size // 2))
    _originals["fsync"](descriptor)
    _arrive("after", "fsync", path)


def _torn_write(descriptor: int, data: Any) -> int:
    path = _path_of(descriptor)
    _arrive("before", "write", path)
    half = bytes(data)[: len(data) // 2]
    _arrive("half-way through", "write", path, lambda: _write(descriptor, half))
    written: int = _originals["write"](descriptor, data)
    _arrive("after", "write", path)
    return written


def _around(operation: str, place: int) -> Callable[..., Any]:
    """The operation on paths, with an event before and after; `place` is that of the path that counts."""

    def wrapped(*arguments: Any, **options: Any) -> Any:
        path = arguments[place] if len(arguments) > place else ""
        path = "" if isinstance(path, int) else os.fsdecode(path)
        _arrive("before", operation, path)
        result = _originals[operation](*arguments, **options)
        _arrive("after", operation, path)
        return result

    return wrapped


_originals: dict[str, Callable[..., Any]] = {
    name: getattr(os, name) for name in ("fsync", "write", "replace", "rename", "truncate", "mkdir")
}

if _ARMING is not None:
    os.environ["CAVIAR_CHAOS_DRIVER"] = str(os.getpid())
    wrappers: dict[str, Callable[..., Any]] = {"fsync": _fsync, "write": _torn_write}
    wrappers.update(
        itertools.chain(
            ((name, _around(name, 1)) for name in ("replace", "rename")),
            ((name, _around(name, 0)) for name in ("truncate", "mkdir")),
        )
    )
    for name, wrapper in wrappers.items():
        setattr(os, name, wrapper)
        # Python 3.10 took these functions from os when it made the class.
        if hasattr(accessor := getattr(pathlib, "_NormalAccessor", None), name):
            setattr(accessor, name, staticmethod(wrapper))
