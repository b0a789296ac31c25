"""The JSON Schema of a spec."""

from typing import Any, get_args

from ...search_spaces import SearchSpace
from ..core.controllers.registry import ControllerName
from .parts import SIZE_PATTERN
from .spec import SweepSpec


def spec_schema() -> dict[str, Any]:
    """The JSON Schema of a spec in YAML, for editors."""
    schema = SweepSpec.model_json_schema()
    schema["properties"]["space"] = SearchSpace.json_schema()
    schema["properties"]["controller"]["anyOf"] = [
        {"enum": list(get_args(ControllerName))},
        {"$ref": "#/$defs/ControllerSpec"},
    ]
    schema["properties"]["controller"].pop("$ref", None)
    schema["properties"]["proposer"]["anyOf"].append({"type": "string"})
    schema["properties"]["warm_start"]["anyOf"].append({"type": "string"})
    schema["properties"]["fuse"]["anyOf"] = [
        {"enum": ["auto", "off"]},
        {"type": "integer", "minimum": 1},
        {"$ref": "#/$defs/FuseSpec"},
    ]
    schema["properties"]["fuse"].pop("$ref", None)
    for part, field in (("CheckpointsSpec", "disk"), ("WorkerKindSpec", "memory")):
        schema["$defs"][part]["properties"][field]["anyOf"].append(
            {"type": "string", "pattern": f"^ *{SIZE_PATTERN} *$"}
        )
    schema["$defs"]["FuseSpec"]["properties"]["size"]["anyOf"].append({"const": "off"})
    return schema
