"""Whatever is put into a field of a spec: it is accepted and comes back equal, or one sentence says what is wrong."""

import math
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import BaseModel

from caviar.scheduler import InvalidSpecError, Results, Sweep
from caviar.scheduler.analysis.importance import importance
from caviar.scheduler.analysis.status import sweep_status
from caviar.scheduler.lifecycle.stop import stop_sweep
from caviar.scheduler.lifecycle.validate import validate_spec
from caviar.scheduler.spec.spec import SweepSpec
from caviar.search_spaces import CaviarError, Log, SearchSpace
from caviar.search_spaces.values import show
from caviar.trainers import TrainerError, load_trainer


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


FIELDS: dict[str, Any] = {
    "name": "digits",
    "trainer": "train.py:train",
    "metric": "val_loss",
    "space": {"lr": {"log": [1e-4, 1.0]}, "kind": {"choice": ["a", "b"]}},
    "resource": {"max": 27},
    "budget": {"trials": 200},
}

WHOLE, NUMBER, TEXT, MAPPING, LIST = "whole number", "number", "text", "mapping", "list"

KINDS = {
    "name": TEXT,
    "trainer": TEXT,
    "data": TEXT,
    "target": TEXT,
    "metric": TEXT,
    "mode": TEXT,
    "space": MAPPING,
    "constraints": LIST,
    "resource": MAPPING,
    "resource.unit": TEXT,
    "resource.min": WHOLE,
    "resource.max": WHOLE,
    "resource.eta": WHOLE,
    "budget": MAPPING,
    "budget.trials": WHOLE,
    "budget.resource": WHOLE,
    "budget.hours": NUMBER,
    "workers": MAPPING,
    "workers.cpu": NUMBER,
    "workers.gpu": NUMBER,
    "workers.memory": WHOLE,
    "workers.labels": MAPPING,
    "workers.processes": WHOLE,
    "workers.when": MAPPING,
    "workers.count": WHOLE,
    "workers.warm": WHOLE,
    "controller": MAPPING,
    "controller.name": TEXT,
    "controller.pipeline": WHOLE,
    "controller.points": WHOLE,
    "proposer": MAPPING,
    "proposer.name": TEXT,
    "warm_start": MAPPING,
    "warm_start.path": TEXT,
    "warm_start.assume": MAPPING,
    "initial": LIST,
    "assume": MAPPING,
    "fuse": MAPPING,
    "fuse.size": WHOLE,
    "fuse.static": LIST,
    "fuse.padded": LIST,
    "seed": WHOLE,
    "max_failures": WHOLE,
    "max_preemptions": WHOLE,
    "checkpoints": MAPPING,
    "checkpoints.keep": WHOLE,
    "checkpoints.disk": WHOLE,
    "checkpoints.every": WHOLE,
    "on_error": LIST,
    "on_error.match": TEXT,
    "on_error.do": TEXT,
    "timeout": NUMBER,
    "stall_timeout": NUMBER,
    "storage": TEXT,
    "storage_timeout": NUMBER,
    "versions": MAPPING,
}
"""What each field holds. A new field of the spec has to be put here."""

DEEP: list[Any] = []
for _ in range(3000):
    DEEP = [DEEP]
LOOP: list[Any] = []
LOOP.append(LOOP)

NONSENSE: list[Any] = [
    object(),
    Unprintable(),
    print,
    1j,
    math.nan,
    math.inf,
    10**5000,
    -(10**5000),
    b"bytes",
    np.arange(3),
    np.array(["a"], object),
    np.eye(2),
    "\ud800",
    "a\0b",
    "a\nb",
    "x" * 1_000_000,
    {"x" * 1_000_000: 1},
    {1: 2},
    {"": None},
    ["x" * 1_000_000] * 30,
    [None, 1, {}],
    DEEP,
    LOOP,
]
"""What no field holds."""

WRONG: dict[str, list[Any]] = {
    WHOLE: [True, -1, 2.5, "3", "", [], {}, 10**30, 1e308, np.float64(3), np.bool_(True), "é"],
    NUMBER: [True, -1, "2", "", [], {}, 1e308, 10**30, np.float64("nan"), np.bool_(True), "é"],
    TEXT: [True, 0, 7, 2.5, [], ["a"], "", np.int64(3)],
    MAPPING: [True, 7.5, [], ["a"], ""],
    LIST: [True, 7, 2.5, "", "lr", {}, {"a": 1}],
}
"""What a field of a kind does not hold either."""


def spec_fields(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """Every field of a spec, by its dotted path."""
    for name, field in model.model_fields.items():
        yield path + name
        for kind in dict.fromkeys(models_in(field.annotation)):
            yield from spec_fields(kind, f"{path}{name}.")


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)


def spec_with(path: str, value: Any) -> dict[str, Any]:
    """A valid spec but for one field, and what must stand beside it."""
    spec: dict[str, Any] = deepcopy(FIELDS)
    owner, _, name = path.rpartition(".")
    if owner == "controller" and name in {"pipeline", "points"}:
        spec["controller"] = {"name": {"pipeline": "hyperband", "points": "grid"}[name]}
        spec["proposer"] = {"pipeline": "model", "points": None}[name]
    if owner == "warm_start":
        spec["warm_start"] = {"path": "earlier"}
    if owner == "on_error":
        return spec | {"on_error": [{"match": "NCCL", "do": "retry"} | {name: value}]}
    inner = spec.setdefault(owner, {}) if owner else spec
    inner[name] = value
    return spec


def test_the_table_has_every_field_of_the_spec() -> None:
    assert set(spec_fields(SweepSpec)) == set(KINDS)


@pytest.mark.parametrize("path", KINDS)
def test_nonsense_in_a_field_gets_one_short_sentence_that_names_the_field_and_shows_the_value(path: str) -> None:
    for value in [*NONSENSE, *WRONG[KINDS[path]]]:
        try:
            spec = SweepSpec.parse(spec_with(path, value))
        except InvalidSpecError as error:
            check_words(str(error), path, value)
        else:
            pytest.fail(f"{path} was accepted as {show(value)}: {show(spec)}")


def check_words(message: str, path: str, value: Any) -> None:
    lines = message.splitlines()
    top = path.split(".", maxsplit=1)[0]
    assert 1 <= len(lines) <= 22, f"{path}, {show(value)}: {message}"
    assert all(line.startswith(top) or line.startswith("There are ") for line in lines), f"{path}: {message}"
    assert all(line.endswith(".") and len(line) <= 450 for line in lines), f"{path}, {show(value)}: {message}"
    assert path.rsplit(".", maxsplit=1)[-1] in message, f"{path}, {show(value)}: {message}"
    for jargon in ("tuple", "Traceback", "pydantic", "int_max_str_digits", "codec", "dict["):
        assert jargon not in message, f"{path}, {show(value)}: {message}"
    if isinstance(value, int | float | str | np.generic):
        assert f"{show(value)[:20]}" in message, f"{path}, {show(value)}: {message}"


@pytest.mark.parametrize("path", [path for path, kind in KINDS.items() if kind in {WHOLE, NUMBER}])
def test_a_number_of_numpy_is_as_good_as_one_of_python(path: str) -> None:
    kinds: list[type[np.generic]] = [np.int64, np.uint8, np.int32]
    for kind in kinds if KINDS[path] is WHOLE else [*kinds, np.float32, np.float64]:
        spec = SweepSpec.parse(spec_with(path, kind(27)))
        assert spec == SweepSpec.parse(spec_with(path, 27))
        assert SweepSpec.from_yaml(spec.to_yaml()) == spec


def test_numbers_of_numpy_are_taken_in_a_space_that_is_written_as_a_mapping() -> None:
    space = {
        "lr": {"log": [np.float32(0.25), np.float64(1.0)]},
        "width": {"integer": (np.int64(1), np.int32(9))},
        "batch": {"choice": list(np.arange(3)), "when": {"width": [np.int64(2)]}},
    }
    spec = SweepSpec.parse({**FIELDS, "space": space})
    plain = {
        "lr": {"log": [0.25, 1.0]},
        "width": {"integer": [1, 9]},
        "batch": {"choice": [0, 1, 2], "when": {"width": [2]}},
    }
    assert spec.search_space == SearchSpace.from_dict(plain)
    assert SweepSpec.from_yaml(spec.to_yaml()).search_space == spec.search_space


@pytest.mark.parametrize("form", [{"choice": {"a", "b"}}, {"uniform": {0.1, 0.2}}])
def test_a_set_has_no_order_and_is_refused(form: Any) -> None:
    with pytest.raises(InvalidSpecError, match=r"space\.lr: needs a list, whose order counts, got {"):
        SweepSpec.parse({**FIELDS, "space": {"lr": form}})


def test_a_list_of_many_mistakes_names_the_first_ones_and_counts_the_others() -> None:
    with pytest.raises(InvalidSpecError) as error:
        SweepSpec.parse({**FIELDS, "constraints": [None] * 100_000})
    lines = str(error.value).splitlines()
    assert lines[0] == "constraints.0: must be a valid string, got None."
    assert lines[-1] == "There are 99,980 more problems."
    assert len(lines) == 21


@pytest.mark.parametrize("path", ["storage", "data", "warm_start.path"])
def test_the_home_of_nobody_is_refused(path: str) -> None:
    with pytest.raises(InvalidSpecError) as error:
        SweepSpec.parse(spec_with(path, "~nobody-of-this-name/sweeps"))
    assert str(error.value) == (
        f"{path}: must be a path; there is no home folder for what begins with ~, got '~nobody-of-this-name/sweeps'."
    )


def train(trial: Any) -> Iterator[dict[str, float]]:
    for _ in trial.steps():
        yield {"loss": 1.0}


def curve(config: Any, seed: int) -> list[float]:
    return [1.0] * 9


def sweep(**fields: Any) -> Sweep:
    defaults: dict[str, Any] = {"space": {"lr": Log(1e-4, 1.0)}, "metric": "loss", "resource": {"max": 9}, "name": "a"}
    return Sweep(train, **{**defaults, "budget": {"trials": 9}, **fields})


def without_argument() -> Iterator[dict[str, float]]:
    yield {}


def of_two(trial: Any, seed: int) -> Iterator[dict[str, float]]:
    yield {}


async def coroutine(trial: Any) -> None: ...


class WithoutStep: ...


TRAINERS: list[Any] = [None, 5, b"a", {}, [], {1: 2}, without_argument, of_two, lambda trial: 1, coroutine, WithoutStep]
TRAINERS += [print, int, "", "a", "a.py:", "a:b c", "x" * 5000, "x" * 300 + ".py:train", "a\0.py:train", train(None)]
PATHS: list[Any] = [None, True, 5, 2.5, [], {}, object(), "", "a\0b", "x" * 5000, b"a", math.nan, "x" * 300]
WORKERS: list[Any] = [0, -1, 2.5, True, "2", math.nan, math.inf, [], np.arange(2), None, object()]
SECONDS: list[Any] = [0, -1, True, "2", math.nan, math.inf, [], 1e-300, 10**5000, object()]
CURVES: list[Any] = [None, 5, "abc", {}, object(), 1j, [[1.0]], ["a"], [10**5000], "x" * 100_000]
FUNCTIONS: list[Any] = [None, 5, "f", [1.0], lambda: 1, lambda config: [1.0]]

CALLS: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {
    "Sweep(trainer)": (
        lambda value: Sweep(value, space={"a": Log(1, 2)}, metric="loss", resource={"max": 9}, budget={"trials": 2}),
        TRAINERS,
    ),
    "budget": (lambda value: sweep(budget=value), [0, "", [], 5, False, np.arange(2)]),
    "workers": (lambda value: sweep(workers=value), [0, "", [], 5, False, np.arange(2)]),
    "constraints": (
        lambda value: sweep(space=SearchSpace({"lr": Log(1e-4, 1.0)}), constraints=value),
        [None, 5, "lr < 1", object(), [5]],
    ),
    "data": (lambda value: sweep(data=value), [5, "", "a\0b", "x" * 300, "no/such/file"]),
    "warm_start": (lambda value: sweep(warm_start=value), [5, "", "a\0b", "x" * 300, "no/such/sweep"]),
    "simulate(curve)": (lambda value: sweep().simulate(value), FUNCTIONS),
    "simulate(what a curve returns)": (lambda value: sweep().simulate(lambda config, seed: value), CURVES),
    "simulate(workers)": (lambda value: sweep().simulate(curve, workers=value), WORKERS),
    "simulate(step_seconds)": (lambda value: sweep().simulate(curve, step_seconds=value), FUNCTIONS),
    "simulate(what step_seconds returns)": (
        lambda value: sweep().simulate(curve, step_seconds=lambda config, seed: value),
        [None, -1, "2", math.nan, math.inf, [], 10**5000],
    ),
    "plan(step_seconds)": (lambda value: sweep(budget={"hours": 2}).plan(value), SECONDS),
    "plan(workers)": (lambda value: sweep().plan(1.0, value), [value for value in WORKERS if value is not None]),
    "Results.open": (Results.open, PATHS),
    "Sweep.resume": (Sweep.resume, PATHS),
    "Sweep.from_yaml": (Sweep.from_yaml, PATHS),
    "sweep_status": (sweep_status, PATHS),
    "importance": (importance, PATHS),
    "stop_sweep": (stop_sweep, PATHS),
    "validate_spec": (validate_spec, PATHS),
}
"""What a person calls, and arguments that it does not take."""


@pytest.mark.parametrize("call", CALLS)
def test_a_bad_argument_gets_one_short_sentence(call: str) -> None:
    make, values = CALLS[call]
    for value in values:
        with pytest.raises(CaviarError) as error:
            make(value)
        message = str(error.value)
        assert len(message.splitlines()) == 1, f"{show(value)}: {message}"
        assert 10 < len(message) < 800, f"{show(value)}: {message}"


def test_training_code_of_the_wrong_kind_is_told_what_it_should_be() -> None:
    words: dict[Any, str] = {
        without_argument: "cannot be called with one argument, the trial",
        of_two: "cannot be called with one argument, the trial",
        coroutine: "is not a generator function: it has to yield its metrics after each step",
        WithoutStep: "lacks step, state_dict, load_state_dict",
    }
    for trainer, sentence in words.items():
        with pytest.raises(TrainerError, match=re.escape(sentence)):
            load_trainer(trainer)
