"""The written forms of a space: dictionaries, YAML, JSON and the schema that editors use."""

import json
import re
from typing import Any

import jsonschema
import pytest

from caviar.search_spaces import (
    Choice,
    Constant,
    Integer,
    InvalidSpaceError,
    InverseLog,
    Log,
    Ordinal,
    SearchSpace,
    Uniform,
)
from caviar.search_spaces.strict_yaml import load_yaml

DOCUMENT = """\
space:
  lr: {log: [0.0001, 1.0]}
  momentum: {inverse_log: [0.9, 0.999], when: {optimizer: [sgd]}}
  optimizer: {choice: [sgd, adam]}
  hidden: {integer: [32, 128], log: true}
  layers: {integer: [1, 3]}
  dropout: {uniform: [0.0, 0.5]}
  noise: {uniform: [0.0, 0.5], step: 0.1}
  size: {ordinal: [small, large]}
  sizes: {choice: [[64, 64], null, {a: 1}]}
  data: {constant: digits}
constraints:
- lr * hidden < 100
"""
SPACE = SearchSpace(
    {
        "lr": Log(1e-4, 1.0),
        "momentum": InverseLog(0.9, 0.999, when={"optimizer": ["sgd"]}),
        "optimizer": Choice(["sgd", "adam"]),
        "hidden": Integer(32, 128, log=True),
        "layers": Integer(1, 3),
        "dropout": Uniform(0.0, 0.5),
        "noise": Uniform(0.0, 0.5, step=0.1),
        "size": Ordinal(["small", "large"]),
        "sizes": Choice([[64, 64], None, {"a": 1}]),
        "data": Constant("digits"),
    },
    ["lr * hidden < 100"],
)


def test_yaml_reads_and_writes_the_short_forms() -> None:
    assert SearchSpace.from_yaml(DOCUMENT) == SPACE
    assert SPACE.to_yaml() == DOCUMENT


def test_dictionaries_and_json_read_back_equal() -> None:
    assert SearchSpace.from_dict(SPACE.to_dict(), SPACE.constraints) == SPACE
    assert SearchSpace.from_json(SPACE.to_json()) == SPACE
    assert json.loads(SPACE.to_json()) == load_yaml(DOCUMENT, "test")


def test_domains_may_stand_among_written_forms() -> None:
    assert SearchSpace.from_dict({"a": Log(1, 2), "b": {"constant": 3}}).names == ("a", "b")


def test_numbers_with_an_exponent_and_names_such_as_no_mean_what_they_say() -> None:
    space = SearchSpace.from_yaml("space: {no: {log: [1e-5, 1e0]}, y: {choice: [yes, no, 12:30]}}")
    assert space == SearchSpace({"no": Log(1e-5, 1.0), "y": Choice(["yes", "no", "12:30"])})


BAD_FORMS: list[tuple[Any, str]] = [
    ({"log": [-1.0, 1.0]}, "space.lr: log needs low > 0, got -1.0; use uniform for ranges that include zero"),
    (0.1, "space.lr: needs a domain such as {log: [1.0e-4, 1.0]}, got 0.1; a fixed value is {constant: value}"),
    ({}, "space.lr: needs exactly one of uniform, log, inverse_log, integer, choice, ordinal, constant, got {}"),
    ({"lgo": [1, 2]}, "space.lr: needs exactly one of uniform, log"),
    ({"log": [1, 2], "uniform": [1, 2]}, "space.lr: needs exactly one of uniform, log"),
    ({"log": [1]}, "space.lr: log.1: it should have two items, got [1]; log is written {log: [low, high]}"),
    ({"log": [1, 2, 3]}, "space.lr: log: "),
    ({"log": [1, "2"]}, "space.lr: log.1: input should be a valid number, got '2'; log is written {log: [low, high]}"),
    ({"log": [True, 2]}, "space.lr: log.0: input should be a valid number, got True"),
    ({"log": [1, 2], "step": 1}, "space.lr: log has no 'step'; it is written {log: [low, high]}"),
    ({"integer": [1.5, 2]}, "space.lr: integer.0: input should be a valid integer, got 1.5"),
    ({"integer": [1, 2], "log": "yes"}, "space.lr: log: input should be a valid boolean, got 'yes'"),
    ({"choice": "abc"}, "space.lr: choice: input should be a list, got 'abc'"),
    ({"choice": []}, "space.lr: choice needs at least one option, got []"),
    ({"log": [1, 2], "when": {"a": "sgd"}}, "space.lr: when.a: input should be a list, got 'sgd'"),
    ({"log": [1, 2], "when": {"a": ["sgd"]}}, "space.lr.when: unknown hyperparameter 'a'; known are lr"),
]


@pytest.mark.parametrize(("form", "message"), BAD_FORMS)
def test_a_bad_form_is_refused_in_one_sentence(form: Any, message: str) -> None:
    with pytest.raises(InvalidSpaceError, match="^" + re.escape(message)) as caught:
        SearchSpace.from_dict({"lr": form})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "the document needs a mapping with the key space, got [1]"),
        ("", "the document needs a mapping with the key space, got None"),
        ("space: [1]", "space needs a mapping of names to domains, got [1]"),
        ("{space: {a: {constant: 1}}, constraint: []}", "unknown key 'constraint'; known are space, constraints"),
        ("{space: {a: {constant: 1}}, constraints: a < 1}", "constraints needs a list of expressions, got 'a < 1'"),
    ],
)
def test_a_document_of_another_shape_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidSpaceError, match=re.escape(message)):
        SearchSpace.from_yaml(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "the text is no JSON"),
        ('{"space": {"a": {"constant": NaN}}}', "NaN is no number of JSON"),
        ('{"space": {"a": {"constant": 1}, "a": {"constant": 2}}}', "the key 'a' stands twice in one object"),
        ("[" * 100_000, "the JSON is nested too deeply"),
    ],
)
def test_json_is_read_strictly(text: str, message: str) -> None:
    with pytest.raises(InvalidSpaceError, match=message):
        SearchSpace.from_json(text)


def test_the_schema_accepts_what_is_written() -> None:
    jsonschema.Draft202012Validator.check_schema(SearchSpace.json_schema())
    jsonschema.validate(json.loads(SPACE.to_json())["space"], SearchSpace.json_schema())


@pytest.mark.parametrize(
    "form",
    [
        0.1,
        {},
        {"lgo": [1, 2]},
        {"log": [-1, 2]},
        {"log": [1]},
        {"log": [1, 2], "step": 1},
        {"inverse_log": [0.9, 1]},
        {"integer": [1.5, 2]},
        {"choice": []},
        {"ordinal": [1, 1]},
        {"log": [1, 2], "uniform": [1, 2]},
        {"log": [1, 2], "when": {"a": "sgd"}},
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(form: Any) -> None:
    with pytest.raises(InvalidSpaceError):
        SearchSpace.from_dict({"lr": form, "a": {"choice": ["sgd", "adam"]}})
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"lr": form}, SearchSpace.json_schema(), cls=jsonschema.Draft202012Validator)


def test_the_schema_stands_alone() -> None:
    assert "$ref" not in json.dumps(SearchSpace.json_schema())
