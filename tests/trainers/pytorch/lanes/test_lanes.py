"""Lanes: what a person writes, what Caviar refuses, and what a trial that trains alone does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from caviar.trainers import (
    Fusing,
    TrainerError,
    TrainerKind,
    Training,
    Trial,
    fuse_trainings,
    load_trainer,
    measure_group_size,
)
from caviar.trainers.pytorch import Data, Lane
from caviar.trainers.pytorch.lanes.group_size import gpu_allowance
from caviar.trainers.pytorch.lanes.lane import Batch, Config

Start = Callable[..., Training]

X = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()


class Good(Lane):
    """Two classes of points."""

    loads = 0

    def load_data(self, trial: Trial) -> Data:
        type(self).loads += 1
        return Data((X[:30], Y[:30]), (X[30:], Y[30:]))

    def make_model(self, config: Config) -> nn.Module:
        return nn.Sequential(nn.Linear(4, 2), nn.Dropout(0.1))

    def loss(self, model: Any, batch: Batch, config: Config) -> Any:
        return cross_entropy(model(batch[0]), batch[1])


def lane(**methods: Any) -> type[Lane]:
    """A lane like `Good` but for some methods, which are given without their `self`."""
    return type("Mine", (Good,), {name: staticmethod(method) for name, method in methods.items()})


def test_a_lane_is_known_by_its_methods_and_says_what_may_be_fused() -> None:
    says = {"padded": ("hidden",), "static": ("depth",), "data_settings": ("dev",)}
    trainer = load_trainer(type("Wide", (Good,), says))
    assert trainer.kind is TrainerKind.LANE
    assert trainer.fusing == Fusing(static=("depth", "dev"), varying=Lane.varying, padded=("hidden",))


@pytest.mark.parametrize(
    ("mine", "message"),
    [
        (lane(load_data=lambda trial: (X, Y)), "Mine.load_data returned a tuple: it should return Data"),
        (lane(load_data=lambda trial: Data((X, Y[:9]), (X, Y))), "the part 'train' have 40 and 9 examples"),
        (lane(load_data=lambda trial: Data((X, Y), (X[:0], Y[:0]))), "the part 'dev' have 0 and 0 examples"),
        (lane(load_data=lambda trial: Data(X, (X, Y))), "'train' should be a tuple of tensors"),  # type: ignore[arg-type]
        (lane(make_model=lambda config: 3), "Mine.make_model returned a int: it should return a torch.nn.Module"),
        (lane(loss=lambda model, batch, config: model(batch[0]).sum(1)), r"returned 'loss' of shape \(30,\)"),
        (lane(loss=lambda model, batch, config: 0.5), "returned 'loss' as a float"),
        (
            lane(loss=lambda model, batch, config: (model(batch[0]).sum(), {"acc": batch[1]})),
            r"returned 'acc' of shape \(30,\): it should be a tensor of shape \(\), the mean over the batch",
        ),
        (type("Bare", (Lane,), {}), "the lane Bare lacks load_data"),
    ],
)
def test_a_lane_that_breaks_a_rule_is_refused_in_one_sentence(start: Start, mine: type[Lane], message: str) -> None:
    with pytest.raises(TrainerError, match=message) as caught:
        start(mine).step()
    assert "\n" not in str(caught.value)
    with pytest.raises(TrainerError, match=message):
        fuse_trainings([start(mine), start(mine, number=1)]).step()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"lr": -1.0}, "lr is -1.0: it should be greater than 0"),
        ({"schedule": "cosine", "warmup": 9.0}, "warmup of a learning-rate schedule is 9.0: it has to be below epochs"),
        ({"schedule": "table", "table": "now: 1"}, "table is 'now: 1': it should be multiples of lr by epoch"),
        ({"patience": 0}, "patience is 0"),
        pytest.param(
            {"device": "cuda"},
            "device is 'cuda', and this worker sees no GPU",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_a_hyperparameter_out_of_range_is_refused_in_one_sentence(
    start: Start, config: dict[str, Any], message: str
) -> None:
    with pytest.raises(TrainerError, match=message):
        start(Good, config=config).step()


def test_the_data_is_loaded_once_for_all_trials_with_equal_data_settings(start: Start) -> None:
    class Counted(Good):
        loads = 0
        data_settings: ClassVar[tuple[str, ...]] = ("dev",)

    for number, dev in enumerate((0.1, 0.1, 0.2)):
        start(Counted, number=number, config={"dev": dev}).step()
    assert Counted.loads == 2


def test_a_trial_alone_goes_on_from_a_checkpoint_bit_for_bit(start: Start, tmp_path: Path) -> None:
    config = {"optimizer": "adamw", "weight_decay": 0.1, "decay": 0.3, "batch_size": 8, "patience": 3}
    whole = start(Good, config=config)
    expected = [whole.step() for _ in range(4)]
    half = start(Good, config=config)
    assert [half.step(), half.step()] == expected[:2]
    assert half.save(tmp_path)
    again = start(Good, config=config, directory=tmp_path, step=2)
    assert [again.step(), again.step()] == expected[2:]


def test_a_trial_that_stopped_early_has_ended_in_a_checkpoint_as_well(start: Start, tmp_path: Path) -> None:
    config = {"lr": 30.0, "patience": 1, "batch_size": 8}
    training = start(Good, config=config, resource_max=20)
    steps = sum(training.step() is not None for _ in range(20))
    assert steps < 20
    training.save(tmp_path)
    assert start(Good, config=config, resource_max=20, directory=tmp_path, step=steps).step() is None


def test_a_checkpoint_of_another_shape_is_refused(start: Start, tmp_path: Path) -> None:
    training = start(Good)
    training.step()
    training.save(tmp_path)
    other = lane(make_model=lambda config: nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.1)))
    with pytest.raises(TrainerError, match="the checkpoint's state of 'model' does not fit"):
        start(other, directory=tmp_path, step=1).step()


def test_code_that_branches_on_a_tensor_can_train_alone_and_not_together(start: Start) -> None:
    branching = lane(loss=lambda model, batch, config: _doubled(cross_entropy(model(batch[0]), batch[1]), config["lr"]))
    assert start(branching, config={"lr": 0.2}).step() is not None
    fused = fuse_trainings([start(branching, number=number, config={"lr": 0.1 * (number + 1)}) for number in range(2)])
    with pytest.raises(RuntimeError, match="data-dependent control flow"):
        fused.step()


def _doubled(loss: Tensor, rate: Tensor) -> Tensor:
    return loss * 2 if rate > 0.1 else loss


def test_measuring_the_group_size_trains_none_of_the_trials(start: Start) -> None:
    trainings = [start(Good, number=number) for number in range(3)]
    before = trainings[0].model.state_dict()["0.weight"].clone()  # type: ignore[attr-defined]
    assert measure_group_size(trainings, 0.5) in {1, 8, 32, 128, 512, 2048}
    assert measure_group_size(trainings, 1e-9) == 1
    assert torch.equal(trainings[0].model.state_dict()["0.weight"], before)  # type: ignore[attr-defined]
    assert [training.step() for training in trainings] == [start(Good, number=number).step() for number in range(3)]


def test_workers_that_share_a_gpu_may_take_the_same_whichever_comes_first() -> None:
    total, free, taken = 80.0, 80.0, list[float]()
    for _ in range(4):
        taken.append(gpu_allowance(free, total, 0.25))
        free -= taken[-1]
    assert taken == [20.0] * 4
    assert gpu_allowance(76.0, total, 1.0) == 76.0, "what the driver keeps is nobody's"
    assert gpu_allowance(5.0, total, 0.25) == 5.0
