import functools
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ray import cloudpickle

from caviar.trainers import Trainer, TrainerError, TrainerKind, Training, Trial, load_trainer

Start = Callable[..., Training]

TRAIN = """
def train(trial):
    for step in trial.steps():
        yield {"step": step}
"""


@pytest.fixture(autouse=True)
def unchanged_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading a file puts its directory into `sys.path`; other tests do not see that."""
    monkeypatch.setattr(sys, "path", list(sys.path))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_function_of_a_file_is_found_by_its_path(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "mine.py", TRAIN)
    trainer = load_trainer("mine.py:train", tmp_path)
    assert trainer.kind is TrainerKind.GENERATOR
    assert trainer.reference == f"{tmp_path / 'mine.py'}:train"
    assert start(trainer.reference).step() == {"step": 1.0}


def test_a_function_of_an_installed_module_is_found_by_its_name() -> None:
    name = "caviar.trainers.pytorch.digits:Digits"
    assert load_trainer(name).reference == name
    assert load_trainer(load_trainer(name).target).reference == name


def test_a_module_beside_the_spec_is_found_and_remembered_by_its_path(tmp_path: Path) -> None:
    write(tmp_path / "beside_the_spec.py", TRAIN)
    assert load_trainer("beside_the_spec:train", tmp_path).reference == f"{tmp_path / 'beside_the_spec.py'}:train"


def test_a_file_is_loaded_like_a_script_but_its_main_block_does_not_run(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "sibling_of_the_script.py", "offset = 40\n")
    script = TRAIN.replace('"step": step', '"step": step + offset')
    write(
        tmp_path / "script.py",
        f"from sibling_of_the_script import offset\n{script}\nif __name__ == '__main__': 1 / 0\n",
    )
    assert start(f"{tmp_path}/script.py:train").step() == {"step": 41.0}
    assert sys.path[0] == str(tmp_path)


def test_a_file_that_was_edited_is_loaded_anew(start: Start, tmp_path: Path) -> None:
    script = write(tmp_path / "edited.py", TRAIN)
    assert start(f"{script}:train").step() == {"step": 1.0}
    assert load_trainer(f"{script}:train").target is load_trainer(f"{script}:train").target
    write(script, TRAIN.replace('"step": step', '"step": -step'))
    assert start(f"{script}:train").step() == {"step": -1.0}


def test_files_with_the_names_of_our_packages_beside_the_script_do_no_harm(tmp_path: Path) -> None:
    write(tmp_path / "scheduler.py", "rate = 0.5\n")
    write(tmp_path / "trainers" / "__init__.py", "rate = 0.25\n")
    write(tmp_path / "search_spaces.py", "raise SystemExit('the wrong module')\n")
    script = "import scheduler, trainers\n" + TRAIN.replace('"step": step', '"step": scheduler.rate + trainers.rate')
    write(tmp_path / "train.py", script)
    program = (
        "from caviar.trainers import load_trainer, open_training\n"
        "trainer = load_trainer('train.py:train')\n"
        "print(open_training(trainer, number=0, config={}, seed=0, resource_max=1).step())\n"
        "import caviar.scheduler, caviar.search_spaces, caviar.trainers.pytorch\n"
        "print(caviar.trainers.__file__)\n"
    )
    write(tmp_path / "run.py", program)
    done = subprocess.run([sys.executable, "run.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report, file = done.stdout.splitlines()
    assert report == "{'step': 0.75}"
    assert tmp_path not in Path(file).parents


def test_a_function_of_main_is_remembered_by_its_script(tmp_path: Path) -> None:
    program = (
        f"{TRAIN}\nfrom caviar.trainers import load_trainer\n"
        "inner = lambda trial: (yield)\n"
        "print(load_trainer(train).reference, load_trainer(inner).reference)\n"
    )
    script = write(tmp_path / "script.py", program)
    output = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True).stdout
    assert output.split() == [f"{script}:train", "None"]
    typed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert typed.split() == ["None", "None"]


def test_importing_the_trainers_imports_no_torch() -> None:
    program = (
        "import sys, caviar.trainers; print([m for m in ('torch', 'pandas', 'sklearn', 'ray') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def nested() -> Callable[[Trial], Iterator[dict[str, float]]]:
    offset = 10

    def train(trial: Trial) -> Iterator[dict[str, float]]:
        for step in trial.steps():
            yield {"step": step + offset}

    return train


def pickled(trainer: Trainer) -> bytes:
    """A trainer as Ray sends it to its workers."""
    data: bytes = cloudpickle.dumps(trainer)  # type: ignore[no-untyped-call]
    return data


def test_a_nested_function_has_no_reference_and_travels_by_value(start: Start) -> None:
    trainer = load_trainer(nested())
    assert trainer.reference is None
    copy = pickle.loads(pickled(trainer))
    assert start(copy.target).step() == {"step": 11.0}


def test_a_function_of_a_file_travels_by_its_path(tmp_path: Path) -> None:
    write(tmp_path / "travels.py", TRAIN)
    sent = pickled(load_trainer("travels.py:train", tmp_path))
    program = "import sys, pickle; print(pickle.loads(bytes.fromhex(sys.argv[1])).name)"
    command = [sys.executable, "-c", program, sent.hex()]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "travels.py:train\n"


def test_partials_wrapped_functions_and_callable_objects_of_generators_are_taken(start: Start) -> None:
    def train(trial: Trial, offset: int = 0) -> Iterator[dict[str, float]]:
        yield {"x": trial.step + offset}

    @functools.wraps(train)
    def wrapped(trial: Trial) -> Iterator[dict[str, float]]:
        return train(trial, 2)

    class Callable_:  # noqa: N801
        def __call__(self, trial: Trial) -> Iterator[dict[str, float]]:
            yield {"x": 3}

    assert [start(form).step() for form in (functools.partial(train, offset=1), wrapped, Callable_())] == [
        {"x": 1.0},
        {"x": 2.0},
        {"x": 3.0},
    ]


def not_a_generator(trial: Trial) -> dict[str, float]:
    return {"x": 1}


def of_two(config: dict[str, Any], seed: int) -> Iterator[dict[str, float]]:
    yield {"x": seed}


class NoLane:
    """Has the methods of a lane, and does not inherit from it."""

    def load_data(self, trial: Trial) -> object: ...

    def make_model(self, config: dict[str, Any]) -> object: ...

    def loss(self, model: object, batch: object, config: dict[str, Any]) -> object: ...


class NoLaneSteps(NoLane):
    """A trainer class with methods of such names."""

    def __init__(self, trial: Trial) -> None: ...

    def step(self) -> dict[str, float] | None: ...

    def state_dict(self) -> dict[str, float] | None: ...

    def load_state_dict(self, state: dict[str, float]) -> None: ...


def test_a_trainer_class_may_have_methods_of_the_names_of_a_lane() -> None:
    assert load_trainer(NoLaneSteps).kind is TrainerKind.CLASS


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        (NoLane, "the class NoLane has load_data, make_model, loss like a lane and is none: derive it from caviar"),
        (not_a_generator, "not_a_generator is not a generator function: it has to yield"),
        (of_two, r"of_two\(config.*seed: int\).* cannot be called with one argument, the trial"),
        (lambda: (yield), "cannot be called with one argument"),
        (3, "the trainer is a int"),
        ("train.py", "'train.py' names nothing to train with: write module:name or file.py:name"),
        ("train.py:", "names nothing"),
        ("train.py:a.b", "names nothing"),
        ("no_file.py:train", "no_file.py does not exist"),
        ("no.such.module:train", "no.such.module cannot be imported: ModuleNotFoundError"),
        ("caviar.trainers.pytorch.digits:trian", "has no 'trian'; did you mean 'train'"),
        ("caviar.trainers.pytorch.lanes.data:SPLIT_SEED", "is a int: a trainer is a generator function or a class"),
        (["python", "{checkpoint}"], "{checkpoint} without {stop}"),
    ],
)
def test_what_cannot_train_is_refused_in_one_sentence(trainer: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match=message) as caught:
        load_trainer(trainer, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["def train(:\n", "import no_such_module\n", "1 / 0\n"])
def test_a_file_that_cannot_be_loaded_is_named_and_leaves_no_module(text: str, tmp_path: Path) -> None:
    write(tmp_path / "broken.py", text)
    with pytest.raises(TrainerError, match=r"broken\.py cannot be loaded: \w+Error"):
        load_trainer("broken.py:train", tmp_path)
    assert not [name for name in sys.modules if name.startswith("_caviar_broken")]


def test_a_file_that_exits_while_it_is_imported_says_where_arguments_are_parsed(tmp_path: Path) -> None:
    write(tmp_path / "script.py", "import argparse\nargparse.ArgumentParser().parse_args(['--lr'])\n")
    write(tmp_path / "exiting_module.py", "raise SystemExit(0)\n")
    for reference in ("script.py:train", "exiting_module:train"):
        with pytest.raises(TrainerError, match=r'exits while it is imported: .* under if __name__ == "__main__"'):
            load_trainer(reference, tmp_path)
