"""A sweep that goes on in another job finds its training code and its data in that job's folder."""

import re
from pathlib import Path
from typing import Any

from ..lifecycle.recorded import load_spec
from ..storage import Location
from .kept_code import is_unpacked
from .submission import as_settings

_UNPACKED = re.compile(r".*/working_dir_files/[^/]+/?(.*)")


def relocated_fields(directory: Location, folder: Path) -> list[str]:
    """Arguments for `caviar resume` that name training code and data as this job has them.

    Args:
        directory: The sweep's directory.
        folder: The folder in which this job runs; nothing has moved where it did not come with the job.

    Raises:
        SweepError: There is no sweep.
    """
    if not is_unpacked(folder):
        return []
    spec = load_spec(directory)
    relocated = {"trainer": _relocated(spec.trainer, folder), "data": _relocated(spec.data, folder)}
    return as_settings({name: value for name, value in relocated.items() if value != getattr(spec, name)})


def _relocated(value: Any, folder: Path) -> Any:
    if isinstance(value, dict):
        return {**value, "directory": _relocated(value["directory"], folder)} if "directory" in value else value
    found = _UNPACKED.fullmatch(value) if isinstance(value, str) else None
    return value if found is None else str(folder / found[1])
