import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caviar.trainers import TrainerError, Training, Trial

Start = Callable[..., Training]


def counting(trial: Trial) -> Iterator[dict[str, float]]:
    for step in trial.steps():
        yield {"step": step, "finished": trial.step}


def test_each_step_runs_to_the_next_yield_and_the_end_is_none(start: Start) -> None:
    training = start(counting, resource_max=2)
    assert [training.step() for _ in range(4)] == [{"step": 1, "finished": 0}, {"step": 2, "finished": 1}, None, None]


def test_a_continued_trial_starts_after_its_step(start: Start) -> None:
    assert start(counting, step=4).step() == {"step": 5, "finished": 4}


def test_the_trial_tells_its_facts(start: Start) -> None:
    seen: list[Trial] = []

    def train(trial: Trial) -> Iterator[dict[str, float]]:
        seen.append(trial)
        yield {"x": 1}

    start(train, number=3, config={"lr": 0.1}, seed=5, resource_max=9).step()
    assert (seen[0].number, seen[0].config, seen[0].seed, seen[0].resource_max) == (3, {"lr": 0.1}, 5, 9)


def test_a_training_that_returns_after_a_report_has_ended(start: Start) -> None:
    def train(trial: Trial) -> Iterator[dict[str, float]]:
        yield {"x": 1}

    training = start(train)
    assert training.step() == {"x": 1}
    assert training.step() is None


def test_a_training_that_never_yields_is_refused(start: Start) -> None:
    def train(trial: Trial) -> Iterator[dict[str, float]]:
        yield from ()

    with pytest.raises(TrainerError, match="ended without a report: it has to yield"):
        start(train).step()


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (0.5, "reported a float: a report is a dict"),
        (None, "reported a NoneType"),
        ({}, "an empty dict"),
        ({"loss": "low"}, "the metric 'loss' as a str"),
        ({"loss": None}, "the metric 'loss' as a NoneType"),
        ({"loss": np.ones(3)}, r"the metric 'loss' as a ndarray of shape \(3,\)"),
        ({"loss": 1j}, "the metric 'loss' as a complex"),
        ({1: 0.5}, "a metric named 1"),
    ],
)
def test_a_report_that_is_no_dict_of_numbers_is_refused(start: Start, report: Any, message: str) -> None:
    def train(trial: Trial) -> Iterator[Any]:
        yield report

    with pytest.raises(TrainerError, match=message):
        start(train).step()


def test_numbers_of_all_kinds_become_floats(start: Start) -> None:
    torch = pytest.importorskip("torch")

    def train(trial: Trial) -> Iterator[Any]:
        yield {
            "bool": True,
            "int": 3,
            "numpy": np.float32(0.5),
            "array": np.array(2),
            "tensor": torch.ones((), requires_grad=True),
            "huge": 10**400,
            "nan": float("nan"),
        }

    metrics = start(train).step()
    assert metrics is not None
    assert all(type(value) is float for value in metrics.values())
    assert list(metrics.values())[:6] == [1.0, 3.0, 0.5, 2.0, 1.0, float("inf")]


@pytest.mark.parametrize("yields", [0, 2])
def test_one_report_for_each_number_of_steps(start: Start, yields: int) -> None:
    def train(trial: Trial) -> Iterator[dict[str, float]]:
        for step in trial.steps():
            for _ in range(yields if step == 2 else 1):
                yield {"x": step}

    training = start(train)
    training.step()
    with pytest.raises(TrainerError, match=r"yield exactly once for each number of trial\.steps"):
        [training.step() for _ in range(2)]


def test_an_exception_of_the_training_code_passes_unchanged(start: Start) -> None:
    def train(trial: Trial) -> Iterator[dict[str, float]]:
        yield {"x": 1}
        raise ZeroDivisionError("mine")

    training = start(train)
    training.step()
    with pytest.raises(ZeroDivisionError, match="mine"):
        training.step()


def test_closing_runs_the_finally_blocks(start: Start) -> None:
    freed = []

    def train(trial: Trial) -> Iterator[dict[str, float]]:
        try:
            yield from counting(trial)
        finally:
            freed.append(trial.number)

    training = start(train, number=8)
    training.step()
    training.close()
    assert freed == [8]


def drawing(trial: Trial) -> Iterator[dict[str, float]]:
    body = random.random()
    for _ in trial.steps():
        yield {"body": body, "random": random.random(), "numpy": np.random.random()}


def own_loop(trial: Trial) -> Iterator[dict[str, float]]:
    for _ in range(trial.step, trial.resource_max):
        yield {"random": random.random(), "numpy": np.random.random()}


@pytest.mark.parametrize("train", [drawing, own_loop])
def test_a_trial_draws_the_same_numbers_whatever_runs_between_its_steps(start: Start, train: Any) -> None:
    alone = start(train)
    expected = [alone.step() for _ in range(4)]
    first, second = start(train), start(train, seed=8)
    seen = []
    for _ in range(4):
        seen.append(first.step())
        second.step()
        random.seed(1)
        np.random.seed(1)
    assert seen == expected


def test_seeds_and_steps_give_different_numbers(start: Start) -> None:
    trainings = [start(drawing, seed=seed) for seed in range(3)]
    draws = {(report or {})["numpy"] for training in trainings for report in (training.step() for _ in range(3))}
    assert len(draws) == 9


def test_a_continued_trial_draws_what_it_would_have_drawn(start: Start) -> None:
    whole = start(drawing)
    expected = [whole.step() for _ in range(4)]
    assert [start(drawing, step=step).step() for step in range(4)] == expected


def test_a_training_that_tracks_nothing_has_nothing_to_save(start: Start, tmp_path: Path) -> None:
    training = start(counting)
    assert not training.save(tmp_path)
    training.step()
    assert not training.save(tmp_path)
    assert list(tmp_path.iterdir()) == []


IMPORTS_TORCH = """
from caviar.trainers import load_trainer, open_training

def train(trial):
    import torch
    weights = torch.rand(2).tolist()
    for _ in trial.steps():
        yield {"first": weights[0], "second": weights[1], "drawn": torch.rand(()).item()}

for _ in range(2):
    print(open_training(load_trainer(train), number=0, config={}, seed=3, resource_max=1).step())
"""


def test_torch_is_seeded_even_if_the_training_function_is_what_imports_it() -> None:
    command = [sys.executable, "-c", IMPORTS_TORCH]
    first, second = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert first == second
