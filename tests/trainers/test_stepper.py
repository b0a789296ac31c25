from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from caviar.trainers import TrainerError, TrainerKind, Training, Trial, load_trainer

Start = Callable[..., Training]


class Countdown:
    def __init__(self, trial: Trial) -> None:
        self.left = trial.config["left"]

    def step(self) -> Any:
        if self.left == 0:
            return None
        self.left -= 1
        return {"left": self.left}

    def state_dict(self) -> dict[str, Any]:
        return {"left": self.left}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.left = state["left"]


def test_each_call_of_step_is_a_step_and_none_ends_the_training(start: Start) -> None:
    training = start(Countdown, config={"left": 2})
    assert [training.step() for _ in range(3)] == [{"left": 1.0}, {"left": 0.0}, None]


def test_the_object_continues_from_its_state(start: Start, tmp_path: Path) -> None:
    training = start(Countdown, config={"left": 5})
    assert not training.save(tmp_path)
    training.step()
    assert training.save(tmp_path)
    assert start(Countdown, config={"left": 5}, directory=tmp_path, step=1).step() == {"left": 3.0}


def test_closing_closes_the_object_if_there_is_one(start: Start) -> None:
    closed = []

    class Closing(Countdown):
        def close(self) -> None:
            closed.append(self.left)

    start(Closing).close()
    training = start(Closing, config={"left": 2})
    training.step()
    training.close()
    assert closed == [1]


def test_a_first_step_without_a_report_is_refused(start: Start) -> None:
    with pytest.raises(TrainerError, match=r"step\(\) returned None before the first report"):
        start(Countdown, config={"left": 0}).step()


def test_a_report_is_checked(start: Start) -> None:
    class Wrong(Countdown):
        def step(self) -> Any:
            return [1]

    with pytest.raises(TrainerError, match="reported a list"):
        start(Wrong, config={"left": 1}).step()


def test_a_class_is_recognised() -> None:
    assert load_trainer(Countdown).kind is TrainerKind.CLASS


def test_a_class_without_its_methods_is_refused_with_their_names() -> None:
    class Half:
        def __init__(self, trial: Trial) -> None: ...

        def step(self) -> dict[str, float]:
            return {"x": 1}

    with pytest.raises(TrainerError, match="lacks state_dict, load_state_dict"):
        load_trainer(Half)


def test_a_class_that_does_not_take_the_trial_is_refused() -> None:
    class Two(Countdown):
        def __init__(self, config: dict[str, Any], seed: int) -> None: ...

    with pytest.raises(TrainerError, match="cannot be called with one argument, the trial"):
        load_trainer(Two)
