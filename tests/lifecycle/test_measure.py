from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from caviar.scheduler.lifecycle.measure import measure_step_seconds
from caviar.scheduler.spec.spec import SweepSpec
from caviar.trainers import TrainerError, Trial, load_trainer


def make_spec(trainer: str | None = None) -> SweepSpec:
    space = {"x": {"uniform": [0, 1]}}
    fields = {"name": "s", "trainer": trainer, "metric": "loss", "space": space, "resource": {"max": 9}}
    return SweepSpec.parse({**fields, "budget": {"trials": 9}})


def test_a_few_steps_of_a_few_configurations_are_trained() -> None:
    trained: list[tuple[int, int]] = []

    def train(trial: Trial) -> Iterator[dict[str, float]]:
        for step in trial.steps():
            trained.append((trial.number, step))
            yield {"loss": 1.0}

    assert measure_step_seconds(make_spec(), trainer=load_trainer(train)) > 0
    assert trained == [(0, 1), *((trial, step) for trial in (1, 2, 3) for step in (1, 2, 3))]


def test_the_trainer_of_the_spec_is_found_beside_it(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("def train(trial):\n    for _ in trial.steps():\n        yield {'loss': 1.0}\n")
    assert measure_step_seconds(make_spec("code.py:train"), tmp_path) > 0


def test_training_code_that_raises_is_an_error_with_its_reason() -> None:
    def train(trial: Trial) -> Iterator[dict[str, float]]:
        yield {"loss": 1.0}
        raise ValueError("no data")

    with pytest.raises(TrainerError, match=r"raised in step 2 of .*: ValueError: no data"):
        measure_step_seconds(make_spec(), trainer=load_trainer(train))


def test_what_the_code_prints_goes_to_standard_error(capsys: Any) -> None:
    def train(trial: Trial) -> Iterator[dict[str, float]]:
        for _ in trial.steps():
            print("hello")  # noqa: T201
            yield {"loss": 1.0}

    measure_step_seconds(make_spec(), trainer=load_trainer(train))
    out, err = capsys.readouterr()
    assert out == ""
    assert "hello" in err
