"""What is wrong with a spec, one sentence a problem: the field, the value received and what is allowed."""

import re
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from .storage import without_secrets

_MOST = 120


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """The problems of a spec, one a line.

    Args:
        error: What pydantic found.
        model: The model of the whole spec.
    """
    sentences = (_sentence(problem, model) for problem in error.errors())
    return "\n".join(dict.fromkeys(sentences))


def _sentence(problem: Any, model: type[BaseModel]) -> str:
    path = [str(part) for part in problem["loc"] if not str(part).startswith("function-")]
    field, kind = ".".join(path), problem["type"]
    if kind == "missing":
        return f"{field}: this field is missing."
    if kind == "extra_forbidden":
        return f"{field}: there is no such field; {_allowed(path, model)}."
    if kind == "value_error":
        rule = str(problem["ctx"]["error"])
        return f"{field}: {rule}, got {_shown(problem['input'])}." if field else f"{rule.rstrip('.')}."
    return f"{field}: {_rule(path, problem, model)}, got {_shown(problem['input'])}."


def _rule(path: list[str], problem: Any, model: type[BaseModel]) -> str:
    """What a field must be, in the words of a person who writes YAML."""
    match problem["type"]:
        case "model_type":
            return f"must be a mapping with some of the fields {', '.join(_fields(path, model))}"
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
        inner = model.model_fields[part].annotation
        models = [kind for kind in (inner, *get_args(inner)) if isinstance(kind, type) and issubclass(kind, BaseModel)]
        assert models, "only mappings have fields, and each is a model, or one or None"
        model = models[0]
    return list(model.model_fields)


def _shown(value: object) -> str:
    text = without_secrets(repr(value))
    return text if len(text) <= _MOST else text[: _MOST - 1] + "…"
