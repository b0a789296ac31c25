"""JSON without its two traps: a key that stands twice, and numbers that JSON does not have."""

import json
from typing import Any

from .errors import InvalidSpaceError
from .values import show


def load_json(text: str) -> Any:
    """The value of a JSON document.

    Raises:
        InvalidSpaceError: The text is no JSON, has a key twice in one object, or NaN or Infinity.
    """
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise InvalidSpaceError(f"the text is no JSON: {error.msg} at line {error.lineno}") from None
    except RecursionError:
        raise InvalidSpaceError("the JSON is nested too deeply") from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InvalidSpaceError(f"the key {show(twice)} stands twice in one object")
    return result


def _no_constant(text: str) -> Any:
    raise InvalidSpaceError(f"{text} is no number of JSON")
