import json
import pickle
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from caviar.trainers import TrainerError, Training, Trial
from caviar.trainers.state import load_state, save_state

Start = Callable[..., Training]

CONTINUE = """
import json, sys
from pathlib import Path
import torch
from caviar.trainers import load_trainer, open_training

torch.set_num_threads(1)

def rest(reference, config, step, checkpoint):
    training = open_training(load_trainer(reference), number=0, config=config, seed=7, resource_max=6,
                             directory=Path(checkpoint), step=step)
    return [training.step() for _ in range(step, 6)]

print(json.dumps([rest(*trial) for trial in json.loads(sys.argv[1])]))
"""

DIGITS = "caviar.trainers.pytorch.digits:train"
REGULARISED = {"hidden": 16, "dropout": 0.3, "batch_norm": True, "decay": 0.1, "lr": 0.01}
CASES: list[tuple[str, dict[str, Any]]] = [
    ("train", {}),
    ("Stepper", {}),
    (DIGITS, {**REGULARISED, "optimizer": "nesterov"}),
    (DIGITS, {**REGULARISED, "optimizer": "adamw", "weight_decay": 0.01}),
    (DIGITS, {**REGULARISED, "optimizer": "rmsprop", "model": "cnn", "channels": 4}),
]


def test_a_trial_that_a_new_process_continues_equals_the_uninterrupted_one_bit_for_bit(
    start: Start, samples: Path, tmp_path: Path
) -> None:
    trials, begun, expected = [], [], []
    for index, (name, config) in enumerate(CASES):
        reference = name if ":" in name else f"{samples}:{name}"
        whole = start(reference, config=config)
        expected.append([whole.step() for _ in range(6)])
        pause = 1 + index % 5
        paused = start(reference, config=config)
        begun.append([paused.step() for _ in range(pause)])
        checkpoint = tmp_path / str(index)
        checkpoint.mkdir()
        assert paused.save(checkpoint)
        trials.append((reference, config, pause, str(checkpoint)))
    command = [sys.executable, "-c", CONTINUE, json.dumps(trials)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert [first + rest for first, rest in zip(begun, json.loads(output), strict=True)] == expected


def test_both_forms_of_one_training_report_the_same(start: Start, samples: Path) -> None:
    generator, stepper = start(f"{samples}:train"), start(f"{samples}:Stepper")
    assert [generator.step() for _ in range(6)] == [stepper.step() for _ in range(6)]


def test_saving_changes_nothing(start: Start, samples: Path, tmp_path: Path) -> None:
    whole, saved = start(f"{samples}:train"), start(f"{samples}:train")
    expected = [whole.step() for _ in range(4)]
    seen = []
    for step in range(4):
        seen.append(saved.step())
        directory = tmp_path / str(step)
        directory.mkdir()
        saved.save(directory)
    assert seen == expected


def test_every_kind_of_tracked_object_comes_back(start: Start, tmp_path: Path) -> None:
    def objects() -> dict[str, Any]:
        return {
            "array": np.zeros(3),
            "tensor": torch.zeros(2, requires_grad=True),
            "plain": {"best": None, 1: (2, 3)},
            "names": ["a"],
            "numpy_random": np.random.Generator(np.random.MT19937(0)),
            "python_random": random.Random(0),
            "torch_random": torch.Generator().manual_seed(0),
        }

    def draws(tracked: dict[str, Any]) -> list[float]:
        return [
            tracked["numpy_random"].random(),
            tracked["python_random"].random(),
            torch.rand((), generator=tracked["torch_random"]).item(),
        ]

    seen: list[dict[str, Any]] = []

    def train(trial: Trial) -> Iterator[dict[str, float]]:
        tracked = objects()
        trial.track(**tracked)
        seen.append(tracked)
        yield {"x": 0}

    training = start(train)
    training.step()
    first = seen[0]
    first["array"][:] = [1, np.nan, np.inf]
    with torch.no_grad():
        first["tensor"].copy_(torch.tensor([1.5, -2]))
    first["plain"].update(best=-np.inf, nested=[True, {"x": "y"}])
    first["names"].append("b")
    draws(first)
    training.save(tmp_path)
    start(train, directory=tmp_path, step=1).step()
    second = seen[1]
    np.testing.assert_array_equal(second["array"], first["array"])
    assert torch.equal(second["tensor"], first["tensor"])
    assert second["plain"] == first["plain"]
    assert second["names"] == ["a", "b"]
    assert draws(second) == draws(first)


json_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
keys = st.text() | st.integers() | st.booleans() | st.tuples(st.integers(), st.text())
trees = st.recursive(
    json_scalars,
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(keys, inner)
        | st.tuples(inner, inner)
        | st.builds(lambda x: {"$tuple": x}, inner)
    ),
    max_leaves=20,
)


@given(trees)
def test_a_tree_of_plain_values_comes_back_equal_and_of_the_same_types(tree: Any) -> None:
    with TemporaryDirectory() as directory:
        save_state({"tree": tree}, Path(directory))
        assert repr(load_state(Path(directory))["tree"]) == repr(tree)


def test_module_state_keeps_its_versions_and_counters_their_type(tmp_path: Path) -> None:
    model = nn.BatchNorm1d(2)
    save_state({"model": model.state_dict(), "milestones": Counter({30: 1}), "scalar": np.float32(2.5)}, tmp_path)
    state = load_state(tmp_path)
    assert state["model"]._metadata == vars(model.state_dict())["_metadata"]
    assert type(state["milestones"]) is Counter
    assert state["milestones"] == {30: 1}
    assert type(state["scalar"]) is np.float32


def test_a_view_is_saved_without_the_tensor_behind_it(tmp_path: Path) -> None:
    save_state({"row": torch.zeros(1000, 1000)[0]}, tmp_path)
    assert (tmp_path / "tensors.pt").stat().st_size < 20_000


def test_plain_values_are_saved_without_torch_or_numpy_files(tmp_path: Path) -> None:
    save_state({"best": {"loss": 0.5}}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"rule": len}, r"best\.rule is a builtin_function_or_method"),
        ([1, {2}], r"best\[1\] is a set"),
        ({"a": np.array([object()])}, r"best\.a is an array of Python objects"),
    ],
)
def test_a_value_that_would_need_pickle_is_refused_by_its_place(
    start: Start, tmp_path: Path, value: Any, message: str
) -> None:
    def train(trial: Trial) -> Iterator[dict[str, float]]:
        trial.track(best=value)
        yield {"x": 0}

    training = start(train)
    training.step()
    with pytest.raises(TrainerError, match=message):
        training.save(tmp_path)


@pytest.mark.parametrize("value", [0.5, "best", (1, 2), {1, 2}, object()])
def test_an_object_that_cannot_be_tracked_is_refused_by_its_name(start: Start, value: Any) -> None:
    def train(trial: Trial) -> Iterator[dict[str, float]]:
        trial.track(best=value)
        yield {"x": 0}

    with pytest.raises(TrainerError, match=f"'best' is a {type(value).__name__}, which cannot be tracked"):
        start(train).step()


def test_a_name_is_tracked_once(start: Start) -> None:
    def train(trial: Trial) -> Iterator[dict[str, float]]:
        trial.track(best=[])
        trial.track(best=[])
        yield {"x": 0}

    with pytest.raises(TrainerError, match="'best' is tracked already"):
        start(train).step()


def tracking(**tracked: Any) -> Callable[[Trial], Iterator[dict[str, float]]]:
    def train(trial: Trial) -> Iterator[dict[str, float]]:
        trial.track(**tracked)
        yield {"x": 0}

    return train


@pytest.mark.parametrize(
    ("tracked", "message"),
    [
        ({"model": nn.Linear(3, 1)}, "the checkpoint's state of 'model' does not fit: .*size mismatch"),
        ({"model": nn.Linear(2, 1), "extra": []}, "the checkpoint holds no state of 'extra': it holds model"),
        ({}, "the checkpoint holds the state of model, which the training code does not track"),
        ({"model": []}, "the checkpoint's state of 'model' does not fit: it is a"),
        ({"model": np.zeros(2)}, "the checkpoint's state of 'model' does not fit"),
    ],
)
def test_a_checkpoint_that_does_not_fit_the_code_is_refused(
    start: Start, tmp_path: Path, tracked: dict[str, Any], message: str
) -> None:
    training = start(tracking(model=nn.Linear(2, 1)))
    training.step()
    training.save(tmp_path)
    with pytest.raises(TrainerError, match=message):
        start(tracking(**tracked), directory=tmp_path, step=1).step()


class Hostile:
    """A pickle that would create a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_pickle_in_place_of_tensors_is_refused_and_not_run(start: Start, samples: Path, tmp_path: Path) -> None:
    training, checkpoint, trace = start(f"{samples}:train"), tmp_path / "checkpoint", tmp_path / "run"
    checkpoint.mkdir()
    training.step()
    training.save(checkpoint)
    for data in (pickle.dumps(Hostile(trace)), None):
        if data is None:
            torch.save({"0": Hostile(trace)}, checkpoint / "tensors.pt")
        else:
            (checkpoint / "tensors.pt").write_bytes(data)
        with pytest.raises(TrainerError, match="cannot be restored"):
            start(f"{samples}:train", directory=checkpoint, step=1)
    assert not trace.exists()


def test_a_pickle_in_place_of_arrays_is_refused_and_not_run(tmp_path: Path) -> None:
    save_state({"array": np.zeros(2)}, tmp_path)
    state = (tmp_path / "state.json").read_text()
    (tmp_path / "state.json").write_text(state.replace('"0"', '"arr_0"'))
    trace = tmp_path / "run"
    for write in (
        lambda path: np.savez(path, np.array([Hostile(trace)], dtype=object)),
        lambda path: path.write_bytes(pickle.dumps(Hostile(trace))),
    ):
        write(tmp_path / "arrays.npz")
        with pytest.raises(TrainerError, match="cannot be restored"):
            load_state(tmp_path)
    assert not trace.exists()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "3", '{"a": {"$code": "x"}}', '{"a": {"$tensor": "9"}}', '{"a": {"$dict": 3}}', "[" * 100_000, "\x00"],
)
def test_a_damaged_state_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(TrainerError, match=r"the checkpoint .* cannot be restored") as caught:
        load_state(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_missing_checkpoint_is_refused(start: Start, samples: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="cannot be restored: FileNotFoundError"):
        start(f"{samples}:train", directory=tmp_path / "none", step=1)
