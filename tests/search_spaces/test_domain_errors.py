"""Bad domains and values get one sentence with the value and what is allowed."""

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from caviar.search_spaces import (
    CaviarError,
    Choice,
    Constant,
    Domain,
    Integer,
    InvalidSpaceError,
    InverseLog,
    Log,
    Ordinal,
    Uniform,
    Value,
)

BAD_DOMAINS: list[tuple[Callable[[], Domain], str]] = [
    (lambda: Uniform(1, 1), "uniform needs low < high, got low 1 and high 1; use constant for a single value"),
    (lambda: Uniform(2, 1), "uniform needs low < high, got low 2 and high 1; use constant for a single value"),
    (lambda: Uniform(math.nan, 1), "uniform needs a finite number for low, got nan"),
    (lambda: Uniform(0, math.inf), "uniform needs a finite number for high, got inf"),
    (lambda: Uniform("0", 1), "uniform needs a finite number for low, got '0'"),  # type: ignore[arg-type]
    (lambda: Uniform(True, 2), "uniform needs a finite number for low, got True"),
    (lambda: Uniform(-1.7e308, 1.7e308), "uniform needs a finite high - low"),
    (lambda: Uniform(0, 1, step=0.3), "whole steps end at 0.9 or 1.2"),
    (lambda: Uniform(0, 1, step=0), "uniform needs 0 < step <= high - low, which is 1.0, got 0"),
    (lambda: Uniform(0, 1, step=2), "uniform needs 0 < step <= high - low, which is 1.0, got 2"),
    (lambda: Uniform(0, 1, step=math.nan), "got nan"),
    (lambda: Uniform(0, 1, step=1e-12), "uniform needs a larger step for 0.0 to 1.0, got 1e-12"),
    (lambda: Uniform(1e15, 1e15 + 4, step=1), "uniform needs a larger step"),
    (lambda: Log(-1.0, 1.0), "log needs low > 0, got -1.0; use uniform for ranges that include zero"),
    (lambda: Log(0, 1.0), "log needs low > 0, got 0.0; use uniform for ranges that include zero"),
    (lambda: Log(1e300, float(np.nextafter(1e300, 2e300))), "log needs bounds whose logarithms differ"),
    (lambda: InverseLog(0.9, 1.0), "inverse_log needs high < 1, got 1.0; use uniform for ranges that include one"),
    (lambda: Integer(3, 3), "integer needs low < high, got low 3 and high 3; use constant for a single value"),
    (lambda: Integer(1.5, 3), "integer needs a whole number for low, got 1.5"),  # type: ignore[arg-type]
    (lambda: Integer(0, 8, log=True), "integer on a log scale needs low >= 1, got 0"),
    (lambda: Integer(0, 2**60), "integer needs high within"),
    (lambda: Integer(1, 8, log="yes"), "integer needs true or false for log, got 'yes'"),  # type: ignore[arg-type]
    (lambda: Choice([]), "choice needs at least one option, got []"),
    (lambda: Choice("abc"), "choice needs a list of options, got 'abc'"),
    (lambda: Choice([1, 2, 1.0]), "choice needs different options, got 1.0 more than once"),
    (lambda: Choice([[1], [1]]), "choice needs different options, got [1] more than once"),
    (lambda: Ordinal(["a", "a"]), "ordinal needs different options, got 'a' more than once"),
    (lambda: Choice([math.nan]), "a number must be finite, got nan"),
    (lambda: Choice([2**64]), "a whole number must fit in 64 bits"),
    (lambda: Choice(["a\0"]), "a string must be valid UTF-8 without NUL characters"),
    (lambda: Choice(["\ud800"]), "a string must be valid UTF-8 without NUL characters"),
    (lambda: Choice([{1: 2}]), "the keys of an object must be strings, got 1"),  # type: ignore[dict-item]
    (lambda: Constant(object()), "a value must be a number, string, boolean, null, list or object"),  # type: ignore[arg-type]
    (lambda: Log(1, 2, when={"a": "sgd"}), "when.a needs a list of one or more values, got 'sgd'"),
    (lambda: Log(1, 2, when={"a": []}), "when.a needs a list of one or more values, got []"),
    (lambda: Log(1, 2, when=["a"]), "when needs a mapping of names to lists of values"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("build", "message"), BAD_DOMAINS)
def test_a_bad_domain_is_refused_with_the_rule_and_the_value(build: Callable[[], Domain], message: str) -> None:
    with pytest.raises(InvalidSpaceError, match=re.escape(message)):
        build()


@pytest.mark.parametrize(
    ("domain", "value", "message"),
    [
        (Uniform(0, 1), 1.5, "1.5 is outside the range 0.0 to 1.0"),
        (Uniform(0, 1), math.nan, "nan is outside the range 0.0 to 1.0"),
        (Uniform(0, 1), "a", "'a' is not a number"),
        (Uniform(0, 1), True, "True is not a number"),
        (Uniform(0, 1, step=0.25), 0.3, "0.3 is not on a step of 0.25 from 0.0 to 1.0"),
        (Log(0.1, 1), 0, "0 is outside the range 0.1 to 1.0"),
        (InverseLog(0.9, 0.999), 1, "1 is outside the range 0.9 to 0.999"),
        (Integer(1, 8), 9, "9 is outside the range 1 to 8"),
        (Integer(1, 8), 1.5, "1.5 is not a whole number in the range 1 to 8"),
        (Choice(["a", "b"]), "c", "'c' is none of ['a', 'b']"),
        (Choice([1, 2]), True, "True is none of [1, 2]"),
        (Choice([1, 2]), {1}, "{1} is none of [1, 2]"),
        (Ordinal([1, 2]), 3, "3 is none of [1, 2]"),
        (Constant(None), 0, "0 is none of [None]"),
    ],
)
def test_a_value_outside_its_domain_is_refused(domain: Domain, value: Any, message: str) -> None:
    inside = domain.decode(np.array([0.5])).tolist()
    with pytest.raises(InvalidSpaceError, match=re.escape(message)):
        domain.encode([*inside, value])


def test_the_error_is_a_caviar_error_and_a_value_error() -> None:
    assert issubclass(InvalidSpaceError, CaviarError)
    assert issubclass(InvalidSpaceError, ValueError)


def test_a_domain_keeps_no_reference_to_the_options_it_was_given() -> None:
    option: list[Value] = [64, 64]
    domain = Choice([option, [32]])
    option.append(1)
    assert domain.options == ([64, 64], [32])


def test_long_values_are_cut_off_in_messages() -> None:
    with pytest.raises(InvalidSpaceError, match="…") as caught:
        Log("x" * 10_000, 1)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 200
