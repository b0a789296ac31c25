"""A wheel of the Caviar that runs here, however it was installed, so that a cluster runs the same.

The nodes unpack it instead of installing it: Ray would have pip install a wheel with all its dependencies beside those
that the nodes have, torch and Ray itself among them, and would keep the first one of a version whatever is in it.
"""

import base64
import hashlib
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from ..errors import SweepError
from .working_directory import zip_files

_PACKAGES = ("caviar.scheduler", "caviar.search_spaces", "caviar.trainers")
_SUFFIXES = {".css", ".html", ".js", ".json", ".py", ".pyi", ".typed"}
_WHEEL = b"Wheel-Version: 1.0\nGenerator: caviar\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_NOTES = {"METADATA": ("METADATA", "PKG-INFO"), "entry_points.txt": ("entry_points.txt",)}
"""The files beside the code, each with its names where Caviar is installed: a checkout has the second."""


def wheel_name() -> str:
    """The wheel's file name.

    Raises:
        SweepError: Caviar is not installed.
    """
    return f"caviar-{_installed().version}-py3-none-any.whl"


def wheel_files() -> dict[str, bytes]:
    """The files of the wheel, by name.

    Raises:
        SweepError: Caviar is not installed, which is where its dependencies are written down.
    """
    installed = _installed()
    notes = f"caviar-{installed.version}.dist-info"
    files = {name: content for package in _PACKAGES for name, content in _modules(package)}
    for name, names in _NOTES.items():
        if (text := next(filter(None, map(installed.read_text, names)), None)) is not None:
            files[f"{notes}/{name}"] = text.encode()
    files[f"{notes}/WHEEL"] = _WHEEL
    files[f"{notes}/RECORD"] = _record(files, f"{notes}/RECORD")
    return files


def build_wheel() -> bytes:
    """The wheel; the same bytes for the same code.

    Raises:
        SweepError: Caviar is not installed.
    """
    return zip_files(wheel_files())


def _installed() -> Distribution:
    try:
        return distribution("caviar")
    except PackageNotFoundError:
        raise SweepError(
            "caviar is not installed here, so a cluster cannot be given the same: pip install it."
        ) from None


def _modules(package: str) -> list[tuple[str, bytes]]:
    (root,) = import_module(package).__path__
    top = package.replace(".", "/")
    found = (path for path in Path(root).rglob("*") if path.suffix in _SUFFIXES and "__pycache__" not in path.parts)
    return [(f"{top}/{path.relative_to(root).as_posix()}", path.read_bytes()) for path in found]


def _record(files: Mapping[str, bytes], itself: str) -> bytes:
    lines = [f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in sorted(files.items())]
    return "".join([*lines, f"{itself},,\n"]).encode()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
