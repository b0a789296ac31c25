"""A sweep made ready for a cluster: the spec with its folder, Caviar, and the command that is run there."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ...search_spaces.values import show
from ..errors import InvalidSpecError, SweepError
from ..lifecycle.validate import validate_spec
from ..spec.overrides import override
from ..spec.spec import SweepSpec, read_spec_file
from ..storage import given_path, is_uri, locate
from .client import Package
from .naming import submission_digest
from .wheel import wheel_files
from .working_directory import pack_folder, package_of

_STORAGE = "sweeps"
"""A spec's default."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A command for the cluster and what it needs there.

    Attributes:
        name: The sweep's name.
        directory: Its directory: relative to the cluster's storage, absolute, or a URI.
        arguments: Those of `caviar`, without the place.
        settings: The fields among them that replace those of the spec, by dotted path.
        runtime_env: Ray's, with the packages by their URIs.
        packages: The packages to upload for it.
    """

    name: str
    directory: str
    arguments: Sequence[str]
    settings: Mapping[str, Any]
    runtime_env: Mapping[str, Any]
    packages: Sequence[Package]

    @property
    def digest(self) -> str:
        """Equal for the same spec, settings, code and requirements."""
        return submission_digest(self.arguments, self.directory, self.runtime_env)


def prepare_run(spec_file: Path, values: Mapping[str, Any], requirements: Path | None = None) -> Submission:
    """A sweep that is to be run on a cluster, after the checks that can be made here.

    Args:
        spec_file: The spec; its folder goes to the cluster.
        values: Fields that replace the file's, by dotted path.
        requirements: A file with what pip is to install on the nodes; nothing if None.

    Raises:
        InvalidSpecError: A field is not what it may be, or names a file that does not go to the cluster.
        SweepError: The folder is too large.
    """
    fields = override(read_spec_file(given_path(spec_file, "the spec's file")), values)
    relative, _ = _named(fields, spec_file.parent)
    values = {**values, **relative}
    spec = validate_spec(spec_file, {**values, **_unseen(fields)})
    directory = _directory(fields, spec)
    settings = {path: value for path, value in values.items() if path != "storage"}
    code = spec_folder(spec_file, values)
    runtime_env, packages = environment(code, requirements)
    arguments = ["run", spec_file.name, *as_settings(settings), "--json"]
    return Submission(spec.name, directory, arguments, settings, runtime_env, packages)


def spec_folder(spec_file: Path, values: Mapping[str, Any]) -> Package:
    """The folder of a spec with all that the spec names in it, without the sweeps.

    Args:
        spec_file: The spec.
        values: Fields that replace the file's, by dotted path.

    Raises:
        InvalidSpecError: A field names a file that does not go to the cluster.
        SweepError: The folder is too large.
    """
    fields = override(read_spec_file(given_path(spec_file, "the spec's file")), values)
    _, needed = _named(fields, spec_file.parent)
    return working_directory(spec_file.parent, [spec_file.resolve(), *needed], str(fields.get("storage", _STORAGE)))


def working_directory(folder: Path, needed: Sequence[Path] = (), storage: str = _STORAGE) -> Package:
    """A folder with training code, without the sweeps in it.

    Args:
        folder: The folder.
        needed: Files that go along even where git ignores them.
        storage: The storage of sweeps, as a spec has it.

    Raises:
        SweepError: It is too large, or a file cannot be read.
    """
    sweeps = folder if is_uri(storage) else (folder / storage).resolve()
    inside = sweeps.is_relative_to(folder.resolve()) and sweeps != folder.resolve()
    return pack_folder(folder, needed, [sweeps] if inside else [])


def environment(code: Package | None, requirements: Path | None = None) -> tuple[dict[str, Any], list[Package]]:
    """A runtime environment with Caviar as it is here, and its packages.

    Args:
        code: The working directory; none if None.
        requirements: A file with what pip is to install on the nodes; nothing if None.

    Raises:
        SweepError: Caviar is not installed, or the file cannot be read.
    """
    caviar = _caviar_package()
    runtime_env: dict[str, Any] = {"py_modules": [caviar.uri]}
    if code is not None:
        runtime_env["working_dir"] = code.uri
    if requirements is not None:
        runtime_env["pip"] = {"packages": _read_requirements(requirements), "pip_check": False}
    return runtime_env, [caviar] if code is None else [caviar, code]


@cache
def _caviar_package() -> Package:
    return package_of(wheel_files())


def as_settings(values: Mapping[str, Any]) -> list[str]:
    """Fields by dotted path as arguments of a command; JSON is YAML too."""
    return [word for path, value in values.items() for word in ("--set", f"{path}={json.dumps(value)}")]


def _directory(fields: Mapping[str, Any], spec: SweepSpec) -> str:
    """The sweep's directory; the meaning of `~` and of a relative path is for the cluster to say."""
    storage = str(fields.get("storage", _STORAGE))
    return str(locate(storage) / spec.name) if is_uri(storage) else f"{storage.rstrip('/')}/{spec.name}"


def _named(fields: Mapping[str, Any], folder: Path) -> tuple[dict[str, str], list[Path]]:
    """The files in its folder that a spec names, and relative paths for the fields that have absolute ones."""
    needed: list[Path] = []
    relative: dict[str, str] = {}
    trainer = fields.get("trainer")
    file, colon, name = trainer.rpartition(":") if isinstance(trainer, str) else ("", "", "")
    if colon and file.endswith(".py"):
        path = _inside(file, folder, "trainer")
        needed.append(path)
        if Path(file).is_absolute():
            relative["trainer"] = f"{path.relative_to(folder.resolve()).as_posix()}:{name}"
    data = fields.get("data")
    if isinstance(data, str) and not _elsewhere(data, folder):
        path = _inside(data, folder, "data")
        needed.append(path)
        if Path(data).is_absolute():
            relative["data"] = path.relative_to(folder.resolve()).as_posix()
    earlier = _earlier(fields)
    if earlier is not None and not is_uri(earlier) and not _elsewhere(earlier, folder):
        path = _inside(earlier, folder, "warm_start")
        needed += [path / part for part in ("sweep.yaml", "trials.parquet", "results") if (path / part).exists()]
    return relative, needed


def _unseen(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that cannot be checked here, each as None: only the cluster has their paths."""
    data, earlier = fields.get("data"), _earlier(fields)
    unseen = {"data": data, "warm_start": earlier}
    return {name: None for name, path in unseen.items() if isinstance(path, str) and _on_cluster(path)}


def _on_cluster(path: str) -> bool:
    return not is_uri(path) and path.startswith(("/", "~")) and not Path(path).exists()


def _elsewhere(path: str, folder: Path) -> bool:
    """True where a path is one of the cluster's: absolute, and not into the folder that goes there."""
    return path.startswith("~") or (
        Path(path).is_absolute() and not Path(path).resolve().is_relative_to(folder.resolve())
    )


def _earlier(fields: Mapping[str, Any]) -> str | None:
    earlier = fields.get("warm_start")
    path = earlier.get("path") if isinstance(earlier, Mapping) else earlier
    return path if isinstance(path, str) else None


def _inside(path: str, folder: Path, field: str) -> Path:
    found = (folder / path).resolve()
    if not found.is_relative_to(folder.resolve()):
        raise InvalidSpecError(
            f"{field}: only the spec's folder {folder.resolve()} goes to the cluster, and {show(path)} lies outside;"
            " move it there" + (", or give an absolute path that the nodes have." if field != "trainer" else ".")
        )
    return found


def _read_requirements(file: Path) -> list[str]:
    try:
        text = given_path(file, "--requirements").read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise SweepError(f"--requirements: {file} cannot be read ({error}).") from None
    lines = [line.partition(" #")[0].strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if wrong := [line for line in lines if line.startswith(("-r", "-c", "-e", "--req", "--con", "--edit", ".", "/"))]:
        raise SweepError(
            f"--requirements: {file} has the line {show(wrong[0])}, which names a file of this machine; the nodes"
            " install packages by name or URL."
        )
    return lines
