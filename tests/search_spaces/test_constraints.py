"""Constraints are safe, typed expressions over columns."""

import re
from typing import Any

import numpy as np
import pytest

from caviar.search_spaces import Choice, Domain, Integer, InvalidSpaceError, Log, SearchSpace, Uniform
from caviar.search_spaces.designs import uniform

DOMAINS: dict[str, Domain] = {
    "lr": Log(1e-4, 1.0),
    "batch": Integer(1, 64),
    "opt": Choice(["sgd", "adam", "rmsprop"]),
    "nesterov": Choice([True, False]),
    "sizes": Choice([None, 3, "wide", [64]]),
    "model.depth": Integer(1, 9),
}


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ("lr * batch <= 1", lambda c: c["lr"] * c["batch"] <= 1),
        ("0.001 < lr <= 0.1", lambda c: 0.001 < c["lr"] <= 0.1),
        ("batch // 2 + batch % 3 - -1 > 5", lambda c: c["batch"] // 2 + c["batch"] % 3 + 1 > 5),
        ("2 ** -batch < lr", lambda c: 2.0 ** -c["batch"] < c["lr"]),
        (
            "max(lr, 0.01, 1 / batch) == 0.01 or batch < 5",
            lambda c: max(c["lr"], 0.01, 1 / c["batch"]) == 0.01 or c["batch"] < 5,
        ),
        ("min(batch, model.depth) >= 4", lambda c: min(c["batch"], c["model.depth"]) >= 4),
        ("abs(batch - 32) < 10", lambda c: abs(c["batch"] - 32) < 10),
        ("log(exp(lr)) > sqrt(0.0001)", lambda c: c["lr"] > 0.01),
        ("opt == 'sgd'", lambda c: c["opt"] == "sgd"),
        ("opt != 'sgd' and not nesterov", lambda c: c["opt"] != "sgd" and not c["nesterov"]),
        ("opt in ['sgd', 'adam']", lambda c: c["opt"] in ["sgd", "adam"]),
        ("opt not in ('sgd', 'adam')", lambda c: c["opt"] not in ["sgd", "adam"]),
        ("batch in {8, 16, 32}", lambda c: c["batch"] in {8, 16, 32}),
        ("nesterov == True", lambda c: c["nesterov"]),
        ("nesterov", lambda c: c["nesterov"]),
        ("sizes == None", lambda c: c["sizes"] is None),
        ("sizes == 3", lambda c: c["sizes"] == 3),
        ("sizes in ['wide', 3]", lambda c: c["sizes"] in ["wide", 3]),
    ],
)
def test_an_expression_means_what_python_means(constraint: str, expected: Any) -> None:
    space = SearchSpace(DOMAINS, [constraint])
    unit = uniform(300, space.dimensions, 0)
    feasible = space.feasible(unit).tolist()
    assert feasible == [bool(expected(config)) for config in space.decode(unit)]
    assert len(set(feasible)) == 2


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        ("lrr < 1", "constraints[0]: unknown hyperparameter 'lrr'; known are lr, batch, opt, nesterov, sizes"),
        ("lr <", "needs an expression such as 'a * b <= 100', got 'lr <'"),
        ("", "needs an expression such as"),
        (3, "needs an expression of at most 1000 characters, got 3"),
        ("lr + " * 300 + "1 < 2", "needs an expression of at most 1000 characters"),
        ("-" * 900 + "lr < 1", "needs an expression"),
        ("lr", "needs a comparison between hyperparameters, got 'lr'"),
        ("1 < 2", "needs a comparison between hyperparameters, got '1 < 2'"),
        ("opt < 'sgd'", "'opt' is a string where a number is needed"),
        ("opt + 1 < 2", "'opt' is a string where a number is needed"),
        ("nesterov * lr < 1", "'nesterov' is a boolean where a number is needed"),
        ("lr and batch < 3", "'lr' is a number where a boolean is needed"),
        ("opt == 3", "'opt' is a string and never equals the number '3'"),
        ("opt == 'sdg'", "opt: 'sdg' is none of ['sgd', 'adam', 'rmsprop']"),
        ("opt in ['sgd', 'sdg']", "opt: 'sdg' is none of ['sgd', 'adam', 'rmsprop']"),
        ("'narrow' != sizes", "sizes: 'narrow' is none of [None, 3, 'wide', [64]]"),
        ("sizes < 3", "'sizes' is a json where a number is needed"),
        ("opt in 'sgd'", "compare with ==, or use in with a list"),
        ("opt in []", "compare with ==, or use in with a list"),
        ("opt is 'sgd'", "compare with ==, or use in with a list"),
        ("round(lr) < 1", "unknown function 'round'; known are abs, exp, log, max, min, sqrt"),
        ("log(lr, 2) < 1", "log takes 1 arguments, got 2"),
        ("max(lr) < 1", "max takes at least 2 arguments, got 1"),
        ("__import__('os').system('true') < 1", "is not allowed"),
        ("(lambda: lr)() < 1", "is not allowed"),
        ("[x for x in (1, 2)] == lr", "is not allowed"),
        ("lr.__class__ < 1", "unknown hyperparameter 'lr.__class__'"),
        ("lr < 1j", "1j is not allowed; use numbers and strings"),
        ("lr < 1" + "0" * 400, "needs an expression"),
        ("(lr := 3) < 4", "is not allowed"),
        ("lr @ batch < 4", "is not allowed"),
    ],
)
def test_a_bad_expression_is_refused_with_its_place(constraint: Any, message: str) -> None:
    with pytest.raises(InvalidSpaceError, match=re.escape(message)) as caught:
        SearchSpace(DOMAINS, [constraint])
    assert str(caught.value).startswith("constraints[0]: ")


def test_constraints_must_be_a_list() -> None:
    with pytest.raises(InvalidSpaceError, match="constraints needs a list of expressions, got 'lr < 1'"):
        SearchSpace(DOMAINS, "lr < 1")


def test_a_constraint_on_an_inactive_name_holds() -> None:
    space = SearchSpace(
        {"opt": Choice(["sgd", "adam"]), "momentum": Uniform(0, 1, when={"opt": ["sgd"]}), "lr": Uniform(0, 1)},
        ["momentum + lr < 0.5"],
    )
    unit = uniform(400, 3, 0)
    feasible = space.feasible(unit)
    for config, holds in zip(space.decode(unit), feasible, strict=True):
        assert holds == ("momentum" not in config or config["momentum"] + config["lr"] < 0.5)  # type: ignore[operator]


def test_undefined_arithmetic_does_not_hold_and_does_not_warn() -> None:
    space = SearchSpace({"a": Uniform(-1, 1)}, ["log(a) < 0 or 1 / (a - a) < 0"])
    unit = uniform(100, 1, 0)
    assert space.feasible(unit).tolist() == (space.columns(unit)["a"] > 0).tolist()


def test_all_constraints_must_hold() -> None:
    space = SearchSpace(DOMAINS, ["batch > 8", "batch < 16"])
    unit = uniform(300, space.dimensions, 0)
    batch = space.columns(unit)["batch"]
    assert np.array_equal(space.feasible(unit), (batch > 8) & (batch < 16))


def test_without_constraints_everything_is_feasible() -> None:
    assert SearchSpace(DOMAINS).feasible(np.zeros((3, len(DOMAINS)))).all()
