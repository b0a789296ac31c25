"""Single fields of a spec replaced by their dotted paths, as in `budget.trials`."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from ...search_spaces.values import cut, show
from ..errors import InvalidSpecError


def override(fields: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A spec's fields with some of them replaced.

    Args:
        fields: The fields, not yet checked; they are left as they are.
        values: The new values by dotted path, such as `{"budget.trials": 50, "space.lr": {"log": [1e-4, 1.0]}}`. A
            name that holds dots itself is found where it exists.

    Raises:
        InvalidSpecError: A path leads into something that has no fields.
    """
    changed = deepcopy(dict(fields))
    for path, value in values.items():
        _put(changed, path, value)
    return changed


def _put(fields: dict[str, Any], path: str, value: Any) -> None:
    if "" in path.split("."):
        raise InvalidSpecError(f"{show(path)} is not the path of a field: write one such as budget.trials.")
    inner, rest = fields, path
    while True:
        name, rest = _next(inner, rest)
        if not rest:
            inner[name] = value
            return
        deeper = inner.setdefault(name, {})
        if not isinstance(deeper, dict):
            place = path[: len(path) - len(rest) - 1]
            place = cut(place)
            raise InvalidSpecError(
                f"{cut(path)}: {place} is {show(deeper)}, which has no fields; set {place} as a whole."
            )
        inner = deeper


def _next(fields: Mapping[str, Any], path: str) -> tuple[str, str]:
    """The first name of a path and what follows it: the longest that exists, else up to the first dot."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        if name in fields:
            return name, ".".join(parts[length:])
    return parts[0], ".".join(parts[1:])
