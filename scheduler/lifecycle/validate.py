"""Reading a spec's file, and checking all of it that can be checked without running the training code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...search_spaces.values import cut, show
from ..errors import InvalidSpecError
from ..spec.overrides import override
from ..spec.spec import SweepSpec, read_spec_file
from ..storage import exists, given_path
from .proposers import checked_proposer
from .warm_start import find_warm_start


def read_spec(path: str | Path, values: Mapping[str, Any] | None = None) -> SweepSpec:
    """The spec in a YAML file.

    Args:
        path: The file.
        values: Fields that replace the file's, by dotted path, such as `{"budget.trials": 50}`.

    Raises:
        InvalidSpecError: The file cannot be read, or a field is not valid.
        InvalidYamlError: It is not strict YAML.
    """
    return SweepSpec.parse(override(read_spec_file(given_path(path, "the spec's file")), values or {}))


def validate_spec(path: str | Path, values: Mapping[str, Any] | None = None) -> SweepSpec:
    """The spec in a YAML file, checked as far as that can be done without importing its trainer.

    Args:
        path: The file.
        values: Fields that replace the file's, by dotted path.

    Raises:
        InvalidSpecError: A field is not valid, or the trainer's file, the data or Optuna are missing.
        InvalidYamlError: It is not strict YAML.
    """
    spec = read_runnable(path, values)
    find_data(spec.data, Path(path).parent)
    checked_proposer(spec)
    find_warm_start(spec, Path(path).parent)
    return spec


def read_runnable(path: str | Path, values: Mapping[str, Any] | None = None) -> SweepSpec:
    """The spec in a YAML file, which must name training code whose file is there.

    Args:
        path: The file.
        values: Fields that replace the file's, by dotted path.

    Raises:
        InvalidSpecError: A field is not valid, or the trainer's file is missing.
        InvalidYamlError: It is not strict YAML.
    """
    spec = read_spec(path, values)
    _check_trainer(spec.trainer, Path(path).parent)
    return spec


def find_data(data: str | None, directory: Path | None) -> Path | None:
    """The absolute path of a spec's `data`.

    Args:
        data: The spec's field.
        directory: The folder where a relative path starts; the working directory if None.

    Raises:
        InvalidSpecError: There is no such file or folder.
    """
    if data is None:
        return None
    path = ((directory or Path.cwd()) / Path(data).expanduser()).resolve()
    if not exists(path):
        raise InvalidSpecError(f"data: there is no file or folder {cut(str(path), 300)}, got {show(data)}.")
    return path


def _check_trainer(trainer: str | dict[str, Any] | None, directory: Path) -> None:
    if trainer is None:
        raise InvalidSpecError("trainer: this field is missing; name the training code, such as train.py:train.")
    if not isinstance(trainer, str):
        return
    module, _, name = trainer.rpartition(":")
    if not module or not name.isidentifier():
        raise InvalidSpecError(
            f"trainer: it must be module:name or file.py:name, such as train.py:train, got {show(trainer)}."
        )
    file = directory / module
    if module.endswith(".py") and not (exists(file) and file.is_file()):
        raise InvalidSpecError(
            f"trainer: there is no file {cut(str(file), 300)}; its path starts in the spec's folder,"
            f" got {show(trainer)}."
        )
