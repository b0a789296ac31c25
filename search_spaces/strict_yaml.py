"""YAML as people expect it: the core schema of YAML 1.2, without aliases, duplicate keys and tags.

PyYAML reads YAML 1.1, in which `1e5` is a string, `no` is false, `010` is 8 and `12:30` is 750, keeps the last of two
equal keys, and expands aliases without limit. Here `1e5` is a number, `no` and `12:30` are strings, `010` is 10, and
the rest is refused.
"""

import re
from collections.abc import Hashable
from typing import Any

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode

from .errors import InvalidYamlError
from .values import cut, show

MAX_BYTES = 1_000_000
"""Longest document that is read, in bytes of UTF-8."""
MAX_DEPTH = 50
"""Deepest nesting of lists and mappings that is read."""

_TAG = "tag:yaml.org,2002:"
_CORE = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+0123456789."),
    ),
)


class _Loader(yaml.SafeLoader):
    depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        if self.check_event(yaml.AliasEvent):
            raise _refusal("aliases are not allowed; write the value out", self._next_event())
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _refusal(f"lists and mappings may be nested {MAX_DEPTH} deep", self._next_event())
        node: Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def _next_event(self) -> yaml.Event:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        return event

    def mapping(self, node: MappingNode) -> dict[Hashable, Any]:
        result: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise _refusal(f"keys must be strings; put quotes around {show(key)}", key_node)
            if key in result:
                raise _refusal(f"the key {show(key)} stands twice in one mapping", key_node)
            result[key] = self.construct_object(value_node, deep=True)
        return result

    def sequence(self, node: Any) -> list[Any]:
        return self.construct_sequence(node, deep=True)

    def integer(self, node: ScalarNode) -> int:
        text = str(self.construct_scalar(node))
        try:
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        except ValueError:
            raise _refusal("a whole number with too many digits, or none", node) from None

    def real(self, node: ScalarNode) -> float:
        text = str(self.construct_scalar(node)).lower()
        try:
            return float(text.replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            raise _refusal("a tag says float, but the text is no number", node) from None

    def boolean(self, node: ScalarNode) -> bool:
        return str(self.construct_scalar(node)).lower() == "true"

    def text(self, node: ScalarNode) -> str:
        return str(self.construct_scalar(node))

    def null(self, node: ScalarNode) -> None:
        return None

    def unknown(self, node: Node) -> None:
        raise _refusal(f"the tag {cut(node.tag)} is not allowed", node)


class _Dumper(yaml.SafeDumper):
    depth = 0

    def represent_data(self, data: Any) -> Node:
        self.depth += 1
        node = super().represent_data(data)
        self.depth -= 1
        if isinstance(node, CollectionNode):
            node.flow_style = self.depth > 1
        return node

    def represent_str(self, data: str) -> ScalarNode:
        # PyYAML folds these line breaks and drops the mark in every style but this one.
        style = '"' if any(character in data for character in "\x85\u2028\u2029\ufeff") else None
        return self.represent_scalar(_TAG + "str", data, style=style)

    def ignore_aliases(self, data: Any) -> bool:
        return True


# Replaced, not inherited: SafeLoader's own are those of YAML 1.1, and its tags build dates, sets and bytes.
_Loader.yaml_implicit_resolvers = {}
_Loader.yaml_constructors = {}
for _name, _pattern, _first in _CORE:
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), _first)
    # Added to those of YAML 1.1, so that what either version would not read as a string is quoted.
    _Dumper.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), _first)
_Dumper.add_representer(str, _Dumper.represent_str)
_Loader.add_constructor(_TAG + "map", _Loader.mapping)
_Loader.add_constructor(_TAG + "seq", _Loader.sequence)
_Loader.add_constructor(_TAG + "str", _Loader.text)
_Loader.add_constructor(_TAG + "int", _Loader.integer)
_Loader.add_constructor(_TAG + "float", _Loader.real)
_Loader.add_constructor(_TAG + "bool", _Loader.boolean)
_Loader.add_constructor(_TAG + "null", _Loader.null)
_Loader.add_constructor(None, _Loader.unknown)


def load_yaml(text: str, source: str) -> Any:
    """The value of a YAML document; None when it is empty.

    Args:
        text: The document.
        source: Name of the file or place it came from, for messages.

    Raises:
        InvalidYamlError: The text is no YAML, breaks a rule of this module, or is longer than `MAX_BYTES`.
    """
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise InvalidYamlError(f"{source}: the document is longer than {MAX_BYTES} bytes")
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}" if mark else ""
        raise InvalidYamlError(f"{source}{place}: {cut(str(error.problem or error.context), 200)}") from None
    except yaml.YAMLError as error:
        raise InvalidYamlError(f"{source}: {' '.join(str(error).split())}") from None


def dump_yaml(value: Any) -> str:
    """A JSON value as YAML that `load_yaml` reads back equal; what is nested two deep or deeper stands on one line."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=MAX_BYTES)


def _refusal(rule: str, place: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=rule, problem_mark=place.start_mark)
