"""The code that runs on each node: it looks around there and tells in plain values.

It is pickled by value, so that it also runs where Caviar is missing or another version: other modules of Caviar are
imported only inside functions that report a failure.
"""

import importlib
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import ray
from ray import cloudpickle
from ray._private.authentication.authentication_utils import is_token_auth_enabled

_EVERYWHERE = {"0.0.0.0", "::"}
_PROGRAMS = {
    "gcs_server": "gcs_server",
    "raylet/raylet": "raylet",
    "dashboard/dashboard.py": "dashboard",
    "ray.util.client.server": "client server",
}
"""The programs of Ray that take commands, by parts of their command lines."""
_MONITOR, _AUTOSCALER = "/monitor.py", "--autoscaling-config="
"""The autoscaler's program, which log_monitor.py is not, and the option that names its file."""


class Probe:
    """Looks around on its node; a Ray actor.

    Args:
        paths: The driver's import path, which workers get as well.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        sys.path += [path for path in paths if path not in sys.path]

    def now(self) -> float:
        """The time on the node's clock, in seconds since 1970."""
        return time.time()

    def look(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Looks around; `NodeFacts` explains each value.

        Args:
            asked: `storage`, `mark`, `secret` and `node`, `trainer` (pickled) and `data`; None for those not to be
                looked at.
        """
        options = _options(psutil.Process().parent())
        caviar_error = _import_error("...execution.worker.settings")
        trainer, data, storage = asked["trainer"], asked["data"], asked["storage"]
        problem = None if storage is None else _storage_problem(storage, asked)
        return {
            "versions": versions(),
            "caviar_error": caviar_error,
            "trainer_error": _trainer_error(trainer) if trainer is not None and caviar_error is None else None,
            "data_found": None if data is None else Path(data).exists(),
            "storage_problem": problem,
            "exchanged": storage is not None and problem is None and (caviar_error is None or "://" not in storage),
            "disks": _disks(storage, options.get("session_dir"), options.get("plasma_directory")),
            "object_store": options.get("plasma_directory"),
            "asks_for_token": is_token_auth_enabled(),
            "token_file": _token_file(),
            "open_ports": list(_open_ports(options.get("session-name"))),
            "kubernetes": "KUBERNETES_SERVICE_HOST" in os.environ,
            "monitor": any(_MONITOR in line for _, line in _commands(options.get("session-name"))),
            "node_types": _node_types(options.get("session-name")),
        }


def _options(raylet: Any) -> dict[str, str]:
    """Options that the node's raylet was started with."""
    words = [] if raylet is None else raylet.cmdline()
    return {name[2:]: value for name, equals, value in (word.partition("=") for word in words) if equals}


def versions() -> dict[str, str]:
    """The versions of the software that nodes and driver have to share; parts not installed are absent."""
    found = {"python": platform.python_version(), "ray": ray.__version__}
    for package in ("caviar", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _import_error(module: str) -> str | None:
    try:
        importlib.import_module(module, __package__)
    except Exception as error:  # any error is the node's answer
        return _one_line(error)
    return None


def _trainer_error(pickled: bytes) -> str | None:
    try:
        cloudpickle.loads(pickled)
    except BaseException as error:  # a person's code, which may even exit
        cause = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        return _one_line(cause if isinstance(cause, ImportError) else error)
    return None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _storage_problem(storage: str, asked: Mapping[str, Any]) -> str | None:
    """The reason why this node cannot share the storage with the driver, whose mark lies there already."""
    if "://" not in storage:
        place: Any = Path(storage)
        if not place.is_dir():
            return "does not exist there"
    else:
        try:
            from ...storage import locate  # noqa: PLC0415 Caviar may be missing

            place = locate(storage)
        except ImportError:
            return None
    try:
        return _exchange(place / asked["mark"], asked)
    except OSError as error:
        return f"cannot be read there ({error.strerror or error})"
    except Exception as error:  # an object store has errors of its own
        return f"cannot be used there ({_one_line(error)})"


def _exchange(folder: Any, asked: Mapping[str, Any]) -> str | None:
    try:
        seen = (folder / "driver").read_bytes()
    except FileNotFoundError:
        seen = b""
    if seen != asked["secret"].encode():
        return "is not the driver's: what the driver writes is not seen there"
    try:
        (folder / asked["node"]).write_bytes(seen)
    except OSError as error:
        return f"cannot be written there ({error.strerror or error})"
    return None


def _disks(storage: str | None, session: str | None, memory: str | None) -> list[tuple[str, str, int, int]]:
    """Each folder's use, the folder, and the free and all bytes of its disk."""
    folders = {"storage": storage, "Ray's files": session, "Ray's object store": memory}
    found = {name: path for name, path in folders.items() if path is not None and os.path.isdir(path)}  # noqa: PTH112
    usage = {name: shutil.disk_usage(path) for name, path in found.items()}
    return [(name, found[name], disk.free, disk.total) for name, disk in usage.items()]


def _token_file() -> tuple[str, int] | None:
    """The file of Ray's token and its mode; None where the token is in no file."""
    if "RAY_AUTH_TOKEN" in os.environ:
        return None
    path = os.environ.get("RAY_AUTH_TOKEN_PATH") or str(Path.home() / ".ray" / "auth_token")
    try:
        return path, Path(path).stat().st_mode & 0o777
    except OSError:
        return None


def _commands(session: str | None) -> Iterator[tuple[Any, str]]:
    """The processes of this Ray on this node, each with its command line."""
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if session and session in line:
            yield process, line


def _open_ports(session: str | None) -> Iterator[tuple[str, int]]:
    """The programs of Ray that listen on all interfaces, and their ports."""
    for process, line in _commands(session):
        program = next((name for part, name in _PROGRAMS.items() if part in line.partition(" --")[0]), None)
        if program is not None:
            yield from ((program, port) for port in _listening_everywhere(process))


def _listening_everywhere(process: Any) -> list[int]:
    connections = getattr(process, "net_connections", None) or process.connections
    try:
        found = connections("tcp")
    except psutil.Error:
        return []
    return sorted({one.laddr.port for one in found if one.status == "LISTEN" and one.laddr.ip in _EVERYWHERE})


def _node_types(session: str | None) -> dict[str, Any] | None:
    """The types of node that the autoscaler which runs here can start; None where none runs here."""
    for process, line in _commands(session):
        words = process.info["cmdline"]
        file = next((word.removeprefix(_AUTOSCALER) for word in words if word.startswith(_AUTOSCALER)), None)
        if _MONITOR in line and file is not None:
            return _read_node_types(Path(file).expanduser())
    return None


def _read_node_types(file: Path) -> dict[str, Any] | None:
    import yaml  # noqa: PLC0415 only the head needs it

    try:
        config = yaml.safe_load(file.read_text())
        types = {name: one for name, one in config["available_node_types"].items() if name != config["head_node_type"]}
        return {
            name: {
                "resources": one.get("resources") or {},
                "labels": one.get("labels") or {},
                "most": one.get("max_workers"),
            }
            for name, one in types.items()
        }
    except (OSError, LookupError, AttributeError, TypeError, yaml.YAMLError):
        return None
