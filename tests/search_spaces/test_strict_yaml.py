"""The strict reader takes YAML 1.2 at its word and refuses the rest with file and line."""

import math
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from caviar.search_spaces import CaviarError
from caviar.search_spaces.errors import InvalidYamlError
from caviar.search_spaces.strict_yaml import MAX_BYTES, dump_yaml, load_yaml

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e5", 1e5),
        ("1e-4", 1e-4),
        ("1.", 1.0),
        (".5", 0.5),
        ("+3", 3),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("-.inf", -math.inf),
        ("true", True),
        ("FALSE", False),
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("2026-11-21", "2026-11-21"),
        ("0b11", "0b11"),
        ("=", "="),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("a: [1, {b: }]", {"a": [1, {"b": None}]}),
    ],
)
def test_a_scalar_means_what_yaml_1_2_says(text: str, value: Any) -> None:
    read = load_yaml(text, "test")
    assert read == value
    assert type(read) is type(value)


def test_nan_is_read() -> None:
    assert math.isnan(load_yaml(".nan", "test"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "sweep.yaml, line 3: the key 'a' stands twice in one mapping"),
        ("a: &x [1]\nb: *x", "sweep.yaml, line 2: aliases are not allowed; write the value out"),
        ("a: &x [*x]", "sweep.yaml, line 1: aliases are not allowed"),
        ("1: a", "sweep.yaml, line 1: keys must be strings; put quotes around 1"),
        ("[1]: a", "sweep.yaml, line 1: keys must be strings; put quotes around [1]"),
        ("a: !!python/object:os.system x", "sweep.yaml, line 1: the tag tag:yaml.org,2002:python/object:os.system"),
        ("a: !!timestamp 2026-11-21", "the tag tag:yaml.org,2002:timestamp is not allowed"),
        ("a: !mine 3", "the tag !mine is not allowed"),
        ("a: !!int x", "a whole number with too many digits, or none"),
        ("a: !!float x", "a tag says float, but the text is no number"),
        ("a: " + "9" * 5000, "a whole number with too many digits"),
        ("a: [1", "sweep.yaml, line 1: "),
        ("a: 1\n\tb: 2", "sweep.yaml, line 2: "),
        ("--- 1\n--- 2", "sweep.yaml, line 2: but found another document"),
        ("a: \0", "sweep.yaml: "),
        ("[" * 1000, "lists and mappings may be nested 50 deep"),
        ("a" * (MAX_BYTES + 1), f"sweep.yaml: the document is longer than {MAX_BYTES} bytes"),
        ("é" * (MAX_BYTES // 2 + 1), f"sweep.yaml: the document is longer than {MAX_BYTES} bytes"),
    ],
)
def test_what_is_not_strict_is_refused_with_file_line_and_rule(text: str, message: str) -> None:
    with pytest.raises(InvalidYamlError, match=re.escape(message)) as caught:
        load_yaml(text, "sweep.yaml")
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, CaviarError)
    assert isinstance(caught.value, ValueError)


@given(JSON)
@example({"a": "1e5", "no": "no", "b": "010", "c": "0o17", "d": "12:30", "e": "~", "f": "", "g": " x\n", "h": 1e-5})
def test_what_is_written_reads_back_equal(value: Any) -> None:
    read = load_yaml(dump_yaml(value), "test")
    assert read == value
    assert repr(read) == repr(value)


def test_inner_mappings_stand_on_one_line() -> None:
    assert dump_yaml({"space": {"lr": {"log": [1e-4, 1.0]}}}) == "space:\n  lr: {log: [0.0001, 1.0]}\n"


def test_strings_that_yaml_1_1_reads_otherwise_are_quoted() -> None:
    assert dump_yaml(["no", "1e5", "sgd"]) == "- 'no'\n- '1e5'\n- sgd\n"
