import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from caviar.trainers import TrainerError, Training, Trial
from caviar.trainers.pytorch.parts.early_stopping import EarlyStopping
from caviar.trainers.state import load_state, save_state


def model_of(value: float) -> nn.Module:
    """A network whose weights and batch-norm averages tell it from the others."""
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    with torch.no_grad():
        for entry in model.state_dict().values():
            entry.fill_(value)
    return model


def value_of(model: nn.Module) -> float:
    values = {entry.float().mean().item() for entry in model.state_dict().values()}
    assert len(values) == 1
    return float(values.pop())


def epochs_until_stop(stopping: EarlyStopping, values: list[float]) -> int | None:
    model = model_of(0)
    return next((epoch for epoch, value in enumerate(values) if stopping.update(value, epoch, model)), None)


@pytest.mark.parametrize(
    ("values", "stop"),
    [
        ([5, 4, 3, 2, 1, 0], None),
        ([5, 4, 4, 4, 4], 3),
        ([5, 4, 6, 3, 6, 6], 5),
        ([5, 4, 6, 3.99, 3.98], None),
        ([math.nan, math.nan, math.nan], 2),
        ([5, math.nan, math.inf, 4], 2),
        ([5, -math.inf, 4, 4], None),
    ],
)
def test_training_stops_two_epochs_after_the_last_improvement(values: list[float], stop: int | None) -> None:
    assert epochs_until_stop(EarlyStopping(patience=2), values) == stop
    assert epochs_until_stop(EarlyStopping(patience=2, mode="max"), [-value for value in values]) == stop


def test_a_value_that_is_better_by_less_than_min_delta_is_no_improvement() -> None:
    stopping = EarlyStopping(patience=2, min_delta=0.1)
    assert epochs_until_stop(stopping, [1.0, 0.95, 0.91]) == 2
    assert (stopping.best_value, stopping.best_epoch) == (1.0, 0)


def test_patience_counts_epochs_also_where_the_metric_is_measured_seldom() -> None:
    stopping, model = EarlyStopping(patience=10), model_of(0)
    assert [stopping.update(1.0, epoch, model) for epoch in (5, 10, 15)] == [False, False, True]
    assert stopping.stopped


def test_the_best_weights_are_kept_and_put_back_with_the_batch_norm_averages() -> None:
    stopping, model = EarlyStopping(patience=2, mode="max"), model_of(0)
    for epoch, accuracy in enumerate([0.5, 0.9, 0.7]):
        model.load_state_dict(model_of(epoch).state_dict())
        stopping.update(accuracy, epoch, model)
    assert value_of(model) == 2
    stopping.restore(model)
    assert value_of(model) == 1
    assert (stopping.best_value, stopping.best_epoch) == (0.9, 1)
    assert model.state_dict()["1.running_mean"].mean() == 1


def test_training_on_after_restoring_leaves_the_kept_weights_alone() -> None:
    stopping, model = EarlyStopping(patience=2), model_of(3)
    stopping.update(1.0, 0, model)
    stopping.restore(model)
    model.load_state_dict(model_of(8).state_dict())
    stopping.restore(model)
    assert value_of(model) == 3


def test_it_continues_from_a_checkpoint_of_a_checkpoint(tmp_path: Path) -> None:
    first = EarlyStopping(patience=3)
    first.update(1.0, 1, model_of(7))
    for generation in range(2):
        directory = tmp_path / str(generation)
        directory.mkdir()
        save_state({"stopping": first.state_dict()}, directory)
        first = EarlyStopping(patience=3)
        first.load_state_dict(load_state(directory)["stopping"])
    model = model_of(0)
    assert [first.update(2.0, epoch, model) for epoch in (2, 3, 4)] == [False, False, True]
    first.restore(model)
    assert value_of(model) == 7
    assert first.best_epoch == 1


def test_an_untouched_one_can_be_saved_and_restored(tmp_path: Path) -> None:
    stopping = EarlyStopping(patience=1)
    save_state({"stopping": stopping.state_dict()}, tmp_path)
    stopping.load_state_dict(load_state(tmp_path)["stopping"])
    assert (stopping.best_value, stopping.best_epoch, stopping.stopped) == (None, None, False)


def stop_early(trial: Trial) -> Iterator[dict[str, float]]:
    model, stopping = model_of(0), EarlyStopping(patience=2)
    trial.track(model=model, stopping=stopping)
    for epoch in trial.steps():
        if stopping.stopped:
            return
        stopping.update(abs(epoch - 2), epoch, model)
        yield {"loss": abs(epoch - 2)}


@pytest.mark.parametrize("pause", [1, 2, 3, 4])
def test_a_trial_ends_at_the_same_epoch_wherever_it_was_paused(
    pause: int, start: Callable[..., Training], tmp_path: Path
) -> None:
    facts: dict[str, Any] = {"resource_max": 9}
    before = start(stop_early, **facts)
    reports = [before.step() for _ in range(pause)]
    assert before.save(tmp_path)
    after = start(stop_early, step=pause, directory=tmp_path, **facts)
    while (report := after.step()) is not None:
        reports.append(report)
    assert reports == [{"loss": 1}, {"loss": 0}, {"loss": 1}, {"loss": 2}]


def test_without_a_finite_value_there_is_nothing_to_restore() -> None:
    stopping, model = EarlyStopping(patience=2), model_of(0)
    stopping.update(math.nan, 0, model)
    with pytest.raises(TrainerError, match="it has seen no finite value"):
        stopping.restore(model)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patience": 0}, "patience of early stopping is 0: it has to be a number of epochs above 0"),
        ({"patience": 1, "mode": "least"}, "mode of early stopping is 'least': it can be min or max"),
        ({"patience": 1, "min_delta": -1.0}, "min_delta of early stopping is -1.0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainerError, match=message):
        EarlyStopping(**settings)
