"""A space decodes and encodes configurations, and checks its names and conditions."""

import copy
import pickle
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caviar.search_spaces import Choice, Constant, Domain, Integer, InvalidSpaceError, Log, SearchSpace, Uniform
from caviar.search_spaces.designs import uniform

CONDITIONAL = SearchSpace(
    {
        "nesterov": Choice([False, True], when={"momentum_on": [True]}),
        "momentum_on": Choice([False, True], when={"optimizer": ["sgd"]}),
        "optimizer": Choice(["sgd", "adam"]),
        "beta2": Uniform(0.9, 0.999, when={"optimizer": ["adam"]}),
        "lr": Log(1e-4, 1.0),
        "epochs": Constant(3),
    }
)


def test_a_configuration_has_plain_python_values_in_the_order_of_the_names() -> None:
    space = SearchSpace({"lr": Log(1e-4, 1.0), "n": Integer(1, 9), "on": Choice([True, False]), "name": Constant("x")})
    (config,) = space.decode(np.array([[0.0, 0.0, 0.0]]))
    assert list(config.items()) == [("lr", 1e-4), ("n", 1), ("on", True), ("name", "x")]
    assert [type(value) for value in config.values()] == [float, int, bool, str]


def test_constants_have_no_column() -> None:
    assert CONDITIONAL.dimensions == 5
    assert CONDITIONAL.names == ("nesterov", "momentum_on", "optimizer", "beta2", "lr", "epochs")
    assert SearchSpace({"a": Constant(1)}).decode(np.empty((2, 0))) == [{"a": 1}, {"a": 1}]


def test_value_types_are_named() -> None:
    assert CONDITIONAL.value_types == {
        "nesterov": "boolean",
        "momentum_on": "boolean",
        "optimizer": "string",
        "beta2": "float",
        "lr": "float",
        "epochs": "integer",
    }


@given(st.integers(0, 2**32 - 1))
def test_decoded_configurations_encode_and_decode_to_themselves(seed: int) -> None:
    unit = uniform(50, CONDITIONAL.dimensions, seed)
    configs = CONDITIONAL.decode(unit)
    again = CONDITIONAL.decode(CONDITIONAL.encode(configs))
    assert [list(config) for config in again] == [list(config) for config in configs]
    for config, other in zip(configs, again, strict=True):
        assert other == pytest.approx(config)


@given(st.integers(0, 2**32 - 1))
def test_inactive_names_are_absent_and_chains_follow_their_parents(seed: int) -> None:
    for config in CONDITIONAL.decode(uniform(50, CONDITIONAL.dimensions, seed)):
        assert ("beta2" in config) == (config["optimizer"] == "adam")
        assert ("momentum_on" in config) == (config["optimizer"] == "sgd")
        assert ("nesterov" in config) == (config.get("momentum_on") is True)


def test_encode_puts_nan_where_a_name_is_inactive() -> None:
    unit = CONDITIONAL.encode([{"optimizer": "adam", "beta2": 0.9, "lr": 1.0, "epochs": 3}])
    assert np.isnan(unit).tolist() == [[True, True, False, False, False]]


def test_columns_and_active_agree_with_decode() -> None:
    unit = uniform(100, CONDITIONAL.dimensions, 3)
    columns, active = CONDITIONAL.columns(unit), CONDITIONAL.active(unit)
    rebuilt = [
        {name: columns[name][row].item() for name in CONDITIONAL.names if active[name][row]} for row in range(100)
    ]
    assert rebuilt == CONDITIONAL.decode(unit)


def test_two_conditions_must_both_hold() -> None:
    space = SearchSpace(
        {
            "a": Choice([1, 2, 3]),
            "b": Choice(["x", "y"]),
            "c": Uniform(0, 1, when={"a": [1, 3], "b": ["y"]}),
        }
    )
    for config in space.decode(uniform(200, 3, 0)):
        assert ("c" in config) == (config["a"] in (1, 3) and config["b"] == "y")


def test_conditions_may_hang_on_integers_steps_and_json() -> None:
    space = SearchSpace(
        {
            "layers": Integer(1, 3),
            "dropout": Uniform(0, 0.5, step=0.1),
            "sizes": Choice([None, [64, 64]]),
            "a": Constant(1, when={"layers": [2]}),
            "b": Constant(1, when={"dropout": [0.3]}),
            "c": Constant(1, when={"sizes": [[64, 64]]}),
        }
    )
    configs = space.decode(uniform(300, 3, 0))
    assert any("a" in config and "b" in config and "c" in config for config in configs)
    for config in configs:
        assert ("a" in config) == (config["layers"] == 2)
        assert ("b" in config) == (config["dropout"] == 0.3)
        assert ("c" in config) == (config["sizes"] == [64, 64])


@pytest.mark.parametrize(
    ("domains", "message"),
    [
        ({}, "space needs at least one named domain, got {}"),
        ({"a b": Log(1, 2)}, "space: a name consists of letters, digits and _ . -, got 'a b'"),
        ({"../x": Log(1, 2)}, "space: a name consists of letters, digits and _ . -, got '../x'"),
        ({"lr": 0.1}, "space.lr: needs a domain such as Log(1e-4, 1.0), got 0.1"),
        ({"lr": Log(1, 2), "LR": Log(1, 2)}, "space.LR: differs from 'lr' only in case"),
        (
            {"a": Log(1, 2, when={"opt": ["sgd"]}), "b": Log(1, 2)},
            "space.a.when: unknown hyperparameter 'opt'; known are a, b",
        ),
        (
            {"a": Choice(["x", "y"]), "b": Log(1, 2, when={"a": ["z"]})},
            "space.b.when.a: 'z' is none of ['x', 'y']",
        ),
        ({"a": Integer(1, 3), "b": Log(1, 2, when={"a": [4]})}, "space.b.when.a: 4 is outside the range 1 to 3"),
        ({"a": Uniform(0, 1), "b": Log(1, 2, when={"a": [0.5]})}, "'a' is continuous and takes no value twice"),
        ({"a": Choice([1, 2], when={"a": [1]})}, "conditions close the loop a -> a"),
        (
            {"a": Choice([1, 2], when={"b": [1]}), "b": Choice([1, 2], when={"a": [1]})},
            "conditions close the loop",
        ),
    ],
)
def test_a_bad_space_is_refused(domains: dict[str, Domain], message: str) -> None:
    with pytest.raises(InvalidSpaceError, match=re.escape(message)):
        SearchSpace(domains)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"optimizer": "sgd", "momentum_on": False, "lr": 2.0}, "lr: 2.0 is outside the range 0.0001 to 1.0"),
        ({"optimizer": "sgd", "momentum_on": False}, "lr: is missing in"),
        ({"optimizer": "sgd", "lr": 0.1}, "momentum_on: is missing in"),
        ({"optimizer": "adam", "beta2": 0.95, "lr": 0.1, "nesterov": True}, "nesterov: is inactive in"),
        ({"optimizer": "adam", "beta2": 0.95, "lr": 0.1, "rl": 1}, "unknown hyperparameter 'rl'; known are nesterov"),
        ({"optimizer": "adam", "beta2": 0.95, "lr": 0.1, "epochs": 4}, "epochs: 4 is none of [3]"),
    ],
)
def test_a_configuration_that_the_space_cannot_hold_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSpaceError, match=re.escape(message)):
        CONDITIONAL.encode([{"optimizer": "adam", "beta2": 0.95, "lr": 0.1}, config])


def test_points_of_another_shape_are_refused() -> None:
    with pytest.raises(InvalidSpaceError, match=re.escape("unit needs the shape (n, 5), got (3, 2)")):
        CONDITIONAL.decode(np.zeros((3, 2)))


def test_nan_is_refused_where_a_name_is_active() -> None:
    with pytest.raises(InvalidSpaceError, match="the column of 'lr' holds NaN where it is active"):
        CONDITIONAL.decode(np.array([[0.0, 0.0, 0.0, 0.0, np.nan]]))


def test_configurations_do_not_share_lists() -> None:
    space = SearchSpace({"sizes": Choice([[1], [2]]), "fixed": Constant({"a": [0]})})
    first, second = space.decode(np.array([[0.0], [0.0]]))
    first["sizes"].append(9)  # type: ignore[union-attr]
    first["fixed"]["a"].append(9)  # type: ignore[index,call-overload,union-attr]
    assert second == {"sizes": [1], "fixed": {"a": [0]}}
    assert space.decode(np.array([[0.0]])) == [second]


def test_no_points_give_no_configurations() -> None:
    assert CONDITIONAL.decode(np.empty((0, 5))) == []
    assert CONDITIONAL.encode([]).shape == (0, 5)


def test_spaces_compare_copy_and_pickle_by_content() -> None:
    space = SearchSpace({"a": Choice([1, 2]), "b": Log(1, 2, when={"a": [1]})}, ["b < a"])
    assert pickle.loads(pickle.dumps(space)) == space
    assert copy.deepcopy(space) == space
    assert space != SearchSpace({"a": Choice([1, 2]), "b": Log(1, 2)}, ["b < a"])
    assert SearchSpace({"a": Log(1, 2), "b": Log(1, 2)}) != SearchSpace({"b": Log(1, 2), "a": Log(1, 2)})


def test_a_space_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        CONDITIONAL.domains["x"] = Log(1, 2)  # type: ignore[index]
