"""Trials that a worker keeps warm share a thread, and torch's switches belong to the thread."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
import torch

from caviar.trainers import TrainerError, Training, Trial

Start = Callable[..., Training]


def yield_without_gradients(trial: Trial) -> Iterator[dict[str, float]]:
    weight = torch.ones(1, requires_grad=True)
    for _ in trial.steps():
        (weight * 2).sum().backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            yield {"gradients": torch.is_grad_enabled(), "loss": weight.item()}
            assert not torch.is_grad_enabled()


def test_a_function_that_yields_inside_no_grad_leaves_gradients_on_for_the_other_trials(start: Start) -> None:
    first, second = start(yield_without_gradients, resource_max=3), start(yield_without_gradients, resource_max=3)
    for _ in range(3):
        assert first.step() == {"gradients": 0, "loss": 1}
        assert torch.is_grad_enabled()
        assert second.step() == {"gradients": 0, "loss": 1}
    assert (first.step(), second.step()) == (None, None)
    assert torch.is_grad_enabled()


def test_a_function_that_raises_with_gradients_off_leaves_them_on(start: Start) -> None:
    def train(trial: Trial) -> Iterator[dict[str, float]]:
        torch.set_grad_enabled(False)
        raise ZeroDivisionError
        yield {}

    with pytest.raises(ZeroDivisionError):
        start(train).step()
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("mode", "name"),
    [(torch.inference_mode, "inference_mode"), (lambda: torch.autocast("cpu"), "autocast")],
)
def test_a_mode_that_cannot_be_suspended_at_a_yield_is_refused(
    mode: Callable[[], AbstractContextManager[object]], name: str, start: Start
) -> None:
    def train(trial: Trial) -> Iterator[dict[str, float]]:
        for _ in trial.steps():
            with mode():
                yield {"loss": 1.0}

    training = start(train)
    with pytest.raises(TrainerError, match=rf"yields inside torch\.{name}\(\), which would stay on for other trials"):
        training.step()
    training.close()
    assert not torch.is_inference_mode_enabled()
    assert not torch.is_autocast_enabled("cpu")
