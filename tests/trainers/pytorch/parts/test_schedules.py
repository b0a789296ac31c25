import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn, optim
from torch.optim import lr_scheduler

from caviar.trainers import TrainerError
from caviar.trainers.pytorch.parts.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    Exponential,
    InverseSquareRoot,
    InverseTime,
    Schedule,
    ScheduleSettings,
    Staircase,
    Table,
    WarmUp,
    make_schedule,
)

EPOCHS = 12
SETTINGS = ScheduleSettings(decay=0.5, factor=0.8, every=3, epochs=EPOCHS, table={0: 1.0, 4: 0.1, 8.5: 0.01})

Build = Callable[[optim.Optimizer], lr_scheduler.LRScheduler]


def rates_of_torch(build: Build, lr: float = 0.1) -> list[float]:
    """The rate of each epoch under one of torch's schedulers."""
    optimizer = optim.SGD([nn.Parameter(torch.zeros(1))], lr)
    scheduler = build(optimizer)
    rates = []
    for _ in range(EPOCHS):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return rates


def with_linear_start(build: Build, start: float) -> Build:
    """Torch's linear warm-up over four epochs in front of a scheduler."""

    def build_both(optimizer: optim.Optimizer) -> lr_scheduler.LRScheduler:
        rise = lr_scheduler.LinearLR(optimizer, start_factor=start, total_iters=4)
        return lr_scheduler.SequentialLR(optimizer, [rise, build(optimizer)], milestones=[4])

    return build_both


@pytest.mark.parametrize(
    ("schedule", "build"),
    [
        (Constant(0.1), lambda o: lr_scheduler.ConstantLR(o, factor=1.0)),
        (Exponential(0.1, 0.8), lambda o: lr_scheduler.ExponentialLR(o, gamma=0.8)),
        (Staircase(0.1, 0.5, 3), lambda o: lr_scheduler.StepLR(o, step_size=3, gamma=0.5)),
        (Cosine(0.1, EPOCHS), lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=EPOCHS)),
        (Cosine(0.1, EPOCHS, 0.2), lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=EPOCHS, eta_min=0.02)),
        (Table({0: 0.1, 4: 0.05, 8: 0.025}), lambda o: lr_scheduler.MultiStepLR(o, milestones=[4, 8], gamma=0.5)),
        (
            WarmUp(Exponential(0.1, 0.8), 4, 0.25),
            with_linear_start(lambda o: lr_scheduler.ExponentialLR(o, gamma=0.8), 0.25),
        ),
        (
            make_schedule("cosine", 0.1, ScheduleSettings(epochs=EPOCHS, warmup=4, start=0.5)),
            with_linear_start(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=EPOCHS - 4), 0.5),
        ),
    ],
)
def test_the_rates_are_those_of_torch(schedule: Schedule, build: Build) -> None:
    assert [schedule(epoch) for epoch in range(EPOCHS)] == pytest.approx(rates_of_torch(build), abs=1e-12)


@pytest.mark.parametrize("schedule", [InverseTime(0.1, 0.5), InverseSquareRoot(0.1, 2.0)])
def test_schedules_that_torch_lacks_have_the_rates_of_their_formulas(schedule: Schedule) -> None:
    formula = (
        (lambda epoch: 1 / (1 + 0.5 * epoch))
        if isinstance(schedule, InverseTime)
        else (lambda epoch: 2 / math.sqrt(epoch + 1))
    )
    expected = rates_of_torch(lambda optimizer: lr_scheduler.LambdaLR(optimizer, formula))
    assert [schedule(epoch) for epoch in range(EPOCHS)] == pytest.approx(expected)


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name != "inverse_sqrt"])
@given(epoch=st.floats(0, 1e4), later=st.floats(0, 1e4))
def test_every_schedule_begins_at_the_rate_and_never_rises(name: str, epoch: float, later: float) -> None:
    schedule = make_schedule(name, 0.1, SETTINGS)
    assert schedule(0) == pytest.approx(0.1)
    assert 0 <= schedule(epoch + later) <= schedule(epoch) * (1 + 1e-12)


@given(warmup=st.floats(0.1, 10), share=st.floats(0, 0.999))
def test_a_warm_up_is_a_straight_line_to_the_first_rate_of_what_follows(warmup: float, share: float) -> None:
    schedule = make_schedule("inverse_time", 0.1, ScheduleSettings(decay=0.5, warmup=warmup))
    assert schedule(warmup * share) == pytest.approx(0.1 * share)
    assert schedule(warmup) == pytest.approx(0.1)
    assert schedule(warmup + 2) == pytest.approx(0.05)


def test_a_cosine_with_a_warm_up_ends_with_the_training_and_holds() -> None:
    schedule = make_schedule("cosine", 0.1, ScheduleSettings(epochs=10, final=0.01, warmup=2))
    assert schedule(6) == pytest.approx(0.1 * (0.01 + 0.99 / 2))
    assert [schedule(10), schedule(50)] == pytest.approx([0.001, 0.001])


def test_the_entries_of_a_table_hold_until_the_next_and_the_last_for_ever() -> None:
    table = Table({8.5: 0.01, 0: 1.0, 4: 0.1})
    assert [table(epoch) for epoch in (0, 3.99, 4, 8, 8.5, 1000)] == [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
    assert make_schedule("table", 0.5, SETTINGS)(4) == pytest.approx(0.05)


def test_a_table_and_a_staircase_can_step_inside_an_epoch() -> None:
    assert Staircase(1.0, 0.5, 0.25)(0.5) == 0.25


def test_a_schedule_with_rate_one_is_a_factor_for_torch() -> None:
    factor = Exponential(1.0, 0.8)
    rates = rates_of_torch(lambda optimizer: lr_scheduler.LambdaLR(optimizer, factor))
    assert rates == pytest.approx([Exponential(0.1, 0.8)(epoch) for epoch in range(EPOCHS)])


def test_schedules_are_values() -> None:
    assert make_schedule("cosine", 0.1, SETTINGS) == Cosine(0.1, EPOCHS)
    assert make_schedule("constant", 0.1) == Constant(0.1)
    assert make_schedule("staircase", 0.1, ScheduleSettings(factor=0.5, every=2, warmup=1)) == WarmUp(
        Staircase(0.1, 0.5, 2), 1
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decay": -1.0}, "decay of a learning-rate schedule is -1.0: it has to be a finite number of at least 0"),
        ({"factor": 1.5}, "factor of a learning-rate schedule is 1.5: it has to be above 0 and at most 1"),
        ({"every": 0}, "every of a learning-rate schedule is 0: it has to be a finite number of epochs above 0"),
        ({"epochs": math.inf}, "epochs of a learning-rate schedule is inf"),
        ({"final": math.nan}, "final of a learning-rate schedule is nan: it has to be from 0 to 1"),
        ({"table": {1: 0.1}}, "it has to be a mapping from epochs, 0 among them"),
        ({"warmup": "2"}, "warmup of a learning-rate schedule is '2'"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainerError, match=message):
        ScheduleSettings(**settings)


@pytest.mark.parametrize(
    ("name", "lr", "settings", "message"),
    [
        ("cosin", 0.1, ScheduleSettings(), "the learning-rate schedule is 'cosin': it can be constant, inverse_time"),
        ("staircase", 0.1, ScheduleSettings(), "the learning-rate schedule 'staircase' needs factor and every"),
        ("constant", 0.0, ScheduleSettings(), "lr of a learning-rate schedule is 0.0"),
        ("cosine", 0.1, ScheduleSettings(epochs=5, warmup=5), "warmup .* is 5: it has to be below epochs, 5"),
    ],
)
def test_schedules_that_cannot_be_made_are_refused(
    name: str, lr: float, settings: ScheduleSettings, message: str
) -> None:
    with pytest.raises(TrainerError, match=message):
        make_schedule(name, lr, settings)
