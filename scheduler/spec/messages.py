"""The problems of a spec, one sentence a problem: the field, the value received and what is allowed."""

import re
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from ...search_spaces.values import cut, show
from ..storage import without_secrets

_MOST = 120
_MOST_PROBLEMS = 20
_ALONE = {"controller": "a name", "proposer": "a name", "warm_start": "a path"}
"""Fields that may be one thing in the place of a mapping."""


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """The problems of a spec, one a line.

    Args:
        error: The problems that pydantic found.
        model: The model of the whole spec.
    """
    problems = error.errors()
    sentences = dict.fromkeys(_sentence(problem, model) for problem in problems[:_MOST_PROBLEMS])
    more = len(problems) - _MOST_PROBLEMS
    return "\n".join([*sentences, *([f"There are {more:,} more problems."] if more > 0 else [])])


def _sentence(problem: Any, model: type[BaseModel]) -> str:
    path = [str(part) for part in problem["loc"] if not _is_inner(str(part))]
    field, kind = ".".join(map(cut, path)), problem["type"]
    if kind == "invalid_key":
        return f"{'.'.join(map(cut, path[:-1])) or 'the spec'}: the names of fields must be text, got {cut(path[-1])}."
    if kind == "missing":
        return f"{field}: this field is missing."
    if kind == "extra_forbidden":
        return f"{field}: there is no such field; {_allowed(path, model)}."
    if kind == "value_error":
        rule = str(problem["ctx"]["error"])
        if not field or ", got " in rule:
            return f"{field}{': ' if field else ''}{rule.rstrip('.')}."
        return f"{field}: {rule}, got {_shown(problem['input'])}."
    return f"{field}: {_rule(path, problem, model)}, got {_shown(problem['input'])}."


def _rule(path: list[str], problem: Any, model: type[BaseModel]) -> str:
    """The rule that a field must satisfy, in the words of a person who writes YAML."""
    match problem["type"]:
        case "model_type":
            alone = f"{_ALONE[path[-1]]}, or " if path[-1] in _ALONE else ""
            return f"must be {alone}a mapping with some of the fields {', '.join(_fields(path, model))}"
        case "dict_type":
            return "must be a mapping"
        case "tuple_type":
            return "must be a list"
        case _:
            return re.sub(r"^\w+ should", "must", problem["msg"])


def _allowed(path: list[str], model: type[BaseModel]) -> str:
    fields = _fields(path[:-1], model)
    close = get_close_matches(path[-1], fields, n=1)
    if close:
        return f"did you mean {close[0]}"
    return "allowed are " + ", ".join(fields)


def _fields(path: list[str], model: type[BaseModel]) -> list[str]:
    for part in path:
        if part.isdigit():  # an item of a list, whose model is found already
            continue
        found = _model_in(model.model_fields[part].annotation)
        assert found is not None, "only mappings have fields, and each is a model, or one in a list or beside None"
        model = found
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for inner in get_args(annotation) if (model := _model_in(inner)) is not None), None)


def _is_inner(part: str) -> bool:
    """True where a part of a place names no field, but the way by which pydantic came there."""
    return part == "[key]" or part.startswith(("function-", "dict[", "kind["))


def _shown(value: object) -> str:
    return without_secrets(show(value, _MOST))
