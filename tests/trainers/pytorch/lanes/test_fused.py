"""A lane that is trained with others reports what it would have reported alone, with torch.optim."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy as torch_cross_entropy

from caviar.trainers import TrainerError, Training, Trial, fuse_trainings, load_trainer, open_training
from caviar.trainers.pytorch.classification.classifier import Classifier
from caviar.trainers.pytorch.lanes.data import Data
from caviar.trainers.pytorch.lanes.lane import Batch, Config, Lane
from caviar.trainers.pytorch.parts.minibatches import epoch_order, minibatches

Reports = list[dict[str, float]]

EXACT = 1e-9
"""In float64, after five epochs."""
CLOSE = 1e-4
"""In float32, after one, relative where a loss is above 1."""
EPOCHS = 5


def blobs(dtype: torch.dtype) -> Data:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(120) % 3
    images = torch.randn(120, 1, 6, 6, generator=generator, dtype=torch.float64) + labels.view(-1, 1, 1, 1) * 0.4
    return Data((images[:90].to(dtype), labels[:90]), (images[90:].to(dtype), labels[90:]))


class Doubles(Classifier):
    """Images of float64."""

    data_settings: ClassVar[tuple[str, ...]] = ()

    def load_data(self, trial: Trial) -> Data:
        return blobs(torch.float64)

    def make_model(self, config: Config) -> nn.Module:
        return super().make_model(config).double()


class Singles(Classifier):
    """Images of float32."""

    data_settings: ClassVar[tuple[str, ...]] = ()

    def load_data(self, trial: Trial) -> Data:
        return blobs(torch.float32)


class Written(Lane):
    """What a person writes: plain modules and losses of torch, which know nothing of lanes."""

    padded: ClassVar[tuple[str, ...]] = ("hidden",)

    def load_data(self, trial: Trial) -> Data:
        return blobs(torch.float64)

    def make_model(self, config: Config) -> nn.Module:
        return OddNetwork(config["hidden"], config["dropout"]).double()

    def loss(self, model: Any, batch: Batch, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
        images, labels = batch
        logits = model(images)
        loss = torch_cross_entropy(logits, labels) + config["penalty"] * logits.square().mean()
        return loss, {"confidence": logits.softmax(1).amax(1).mean()}


class OddNetwork(nn.Module):
    """A module with a forward of its own, which only vmap can batch."""

    def __init__(self, hidden: int, rate: float) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(36, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, 3)
        self.dropout = nn.Dropout(rate)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.norm(self.first(images.flatten(1)).tanh())
        logits: Tensor = self.last(self.dropout(hidden) + hidden.square())
        return logits


def opened(lane: type[Lane], config: Mapping[str, Any], number: int, at: tuple[Path, int] | None = None) -> Training:
    directory, step = at or (None, 0)
    return open_training(
        load_trainer(lane),
        number=number,
        config=config,
        seed=1000 + number,
        resource_max=EPOCHS,
        directory=directory,
        step=step,
    )


def reports_alone(lane: type[Lane], config: Mapping[str, Any], number: int, epochs: int = EPOCHS) -> Reports:
    training = opened(lane, config, number)
    return [report for report in (training.step() for _ in range(epochs)) if report is not None]


def reports_fused(lane: type[Lane], configs: Sequence[Mapping[str, Any]], folder: Path) -> list[Reports]:
    """Four trials: one is dropped after an epoch, the rest saved, opened anew and regrouped after two."""
    reports: list[Reports] = [[] for _ in configs]

    def train(trainings: Mapping[int, Training], epochs: int) -> None:
        fused, order = fuse_trainings(list(trainings.values())), list(trainings)
        for _ in range(epochs):
            for number, report in zip(order, fused.step(), strict=True):
                if report is not None:
                    reports[number].append(report)
        fused.part()

    first = {number: opened(lane, config, number) for number, config in enumerate(configs)}
    fused = fuse_trainings(list(first.values()))
    for number, report in enumerate(fused.step()):
        reports[number].append(report or {})
    fused.keep([0, 1, 3])
    for number, report in zip((0, 1, 3), fused.step(), strict=True):
        reports[number].append(report or {})
    fused.part()
    for number in (0, 1, 3):
        (folder / str(number)).mkdir()
        assert first[number].save(folder / str(number))
    again = {number: opened(lane, configs[number], number, (folder / str(number), 2)) for number in (3, 1)}
    train(again, EPOCHS - 2)
    train({0: first[0]}, EPOCHS - 2)
    return reports


def largest_difference(alone: Sequence[Reports], fused: Sequence[Reports]) -> float:
    for one, other in zip(alone, fused, strict=True):
        assert [list(report) for report in one[: len(other)]] == [list(report) for report in other]
    return max(
        abs(report[name] - same[name])
        for one, other in zip(alone, fused, strict=True)
        for report, same in zip(one, other, strict=False)
        for name in report
    )


def four(**fields: Any) -> list[dict[str, Any]]:
    """Configurations that differ in whatever may differ; a tuple holds a value for each."""
    base = {
        "lr": (0.05, 0.01, 0.1, 0.02),
        "momentum": (0.9, 0.5, 0.0, 0.95),
        "weight_decay": (0.0, 1e-2, 1e-3, 0.1),
        "hidden": (8, 5, 8, 3),
        "batch_size": 16,
        "layers": 1,
    }
    rows = {**base, **fields}
    return [{name: value[i] if isinstance(value, tuple) else value for name, value in rows.items()} for i in range(4)]


OPTIMIZERS = {
    name: {"optimizer": name, "beta2": (0.9, 0.99, 0.999, 0.95), "eps": (1e-8, 1e-6, 1e-8, 1e-4)}
    for name in ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw")
}
SCHEDULES: dict[str, dict[str, Any]] = {
    "constant": {"schedule": "constant"},
    "inverse time": {"decay": (0.0, 0.5, 1.0, 2.0)},
    "exponential": {"schedule": "exponential", "factor": (0.5, 0.9, 0.99, 1.0)},
    "inverse square root": {"schedule": "inverse_sqrt", "k": (0.5, 1.0, 2.0, 0.1)},
    "staircase": {"schedule": "staircase", "factor": (0.1, 0.5, 0.9, 0.2), "every": (1, 2, 3, 2)},
    "cosine": {"schedule": "cosine", "final": (0.0, 0.1, 0.5, 0.0)},
    "warm-up": {"schedule": "cosine", "warmup": (0.0, 0.5, 1.0, 2.5)},
    "table": {"schedule": "table", "table": ("0: 1", "0: 1, 2: 0.1", "0: 0.1, 1: 1", "0: 1, 3: 0.5")},
    "one of each": {"schedule": ("constant", "inverse_time", "inverse_sqrt", "staircase")},
}
REGULARISERS: dict[str, dict[str, Any]] = {
    "weight decay": {"weight_decay": (0.0, 0.1, 0.01, 0.3)},
    "decoupled weight decay": {"optimizer": "adamw", "weight_decay": (0.0, 0.1, 0.01, 0.3)},
    "dropout": {"dropout": (0.0, 0.2, 0.5, 0.9)},
    "dropout by layer": {"layers": 2, "dropout_1": (0.0, 0.2, 0.5, 0.9), "dropout_2": (0.5, 0.4, 0.3, 0.0)},
    "label smoothing": {"label_smoothing": (0.0, 0.1, 0.2, 0.5)},
    "batch norm": {"batch_norm": True},
    "batch norm behind": {"batch_norm": True, "norm_place": "after", "activation": "tanh", "dropout": 0.3},
    "clipping": {"clip_norm": (0.1, 1.0, 10.0, 0.01)},
    "early stopping": {"patience": (1, 2, 1, 1), "lr": (0.5, 0.9, 0.3, 0.7), "hidden": 8},
    "gelu": {"activation": "gelu"},
    "leaky relu": {"activation": "leaky_relu"},
    "geometry": {"flip": (0.0, 0.5, 1.0, 0.2), "crop": (0.0, 0.1, 0.3, 0.2), "rotate": (0.0, 5.0, 20.0, 45.0)},
    "erasing": {"erase": (0.0, 0.3, 0.9, 0.5)},
    "colours": {"brightness": (0.0, 0.2, 0.1, 0.5), "contrast": (0.5, 0.0, 0.2, 0.3)},
    "mixup": {"mixup": (0.0, 0.2, 0.4, 1.0), "label_smoothing": 0.1},
}
NETWORKS: dict[str, dict[str, Any]] = {
    "cnn": {"model": "cnn", "channels": (4, 2, 4, 3), "dropout": (0.1, 0.2, 0.3, 0.0)},
    "cnn with batch norm": {"model": "cnn", "channels": 3, "batch_norm": True, "hidden": 8},
    "residual network": {"model": "resnet", "channels": (4, 2, 4, 3), "stages": 2},
    "transformer": {"model": "transformer", "width": 8, "heads": 2, "patch": 3, "dropout": (0.1, 0.2, 0.3, 0.0)},
}
CASES = {**OPTIMIZERS, **SCHEDULES, **REGULARISERS, **NETWORKS}


@pytest.mark.parametrize("fields", CASES.values(), ids=CASES)
def test_in_float64_a_fused_lane_equals_the_trial_alone_with_compaction_and_resume(
    fields: dict[str, Any], tmp_path: Path
) -> None:
    configs = four(**fields)
    alone = [reports_alone(Doubles, config, number) for number, config in enumerate(configs)]
    assert largest_difference(alone, reports_fused(Doubles, configs, tmp_path)) <= EXACT


@pytest.mark.parametrize("fields", CASES.values(), ids=CASES)
def test_in_float32_a_fused_lane_equals_the_trial_alone_after_an_epoch(fields: dict[str, Any]) -> None:
    configs = four(**fields)
    alone = [reports_alone(Singles, config, number, 1) for number, config in enumerate(configs)]
    fused = fuse_trainings([opened(Singles, config, number) for number, config in enumerate(configs)])
    for (one,), other in zip(alone, fused.step(), strict=True):
        assert other is not None
        for name, value in one.items():
            # An accuracy counts examples: one whose two best logits are equal to rounding may fall on either side.
            tie = 1 / 30 if name == "val_acc" else 1 / 90 if name == "train_acc" else 0
            assert other[name] == pytest.approx(value, rel=CLOSE, abs=CLOSE + tie)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_lane_that_a_person_writes_is_fused_by_vmap(optimizer: str, tmp_path: Path) -> None:
    configs = four(optimizer=optimizer, dropout=(0.0, 0.2, 0.5, 0.9), penalty=(0.0, 0.1, 0.2, 0.3))
    alone = [reports_alone(Written, config, number) for number, config in enumerate(configs)]
    assert list(alone[0][0]) == ["train_loss", "train_confidence", "val_loss", "val_confidence"]
    assert largest_difference(alone, reports_fused(Written, configs, tmp_path)) <= EXACT


OPTIMIZERS_OF_TORCH: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, 0.05, weight_decay=0.01),
    "momentum": lambda p: torch.optim.SGD(p, 0.05, 0.9, weight_decay=0.01),
    "nesterov": lambda p: torch.optim.SGD(p, 0.05, 0.9, weight_decay=0.01, nesterov=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.05, weight_decay=0.01, eps=1e-8),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.05, 0.99, weight_decay=0.01),
    "adam": lambda p: torch.optim.Adam(p, 0.05, (0.9, 0.99), weight_decay=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, 0.05, (0.9, 0.99), weight_decay=0.01),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS_OF_TORCH)
def test_a_fused_lane_equals_a_loop_written_with_torch_optim(optimizer: str) -> None:
    config = {"optimizer": optimizer, "lr": 0.05, "weight_decay": 0.01, "beta2": 0.99, "decay": 0.5, "batch_size": 16}
    first, second = opened(Doubles, config, 0), opened(Doubles, {**config, "lr": 0.2}, 1)
    model = Doubles().make_model({**config, "input_shape": (1, 6, 6), "classes": 3})
    model.load_state_dict(first.model.state_dict())  # type: ignore[attr-defined]
    rule = OPTIMIZERS_OF_TORCH[optimizer](model.parameters())
    scheduler = torch.optim.lr_scheduler.LambdaLR(rule, lambda epoch: 1 / (1 + 0.5 * epoch))
    data, fused = blobs(torch.float64), fuse_trainings([first, second])
    for epoch in range(1, 4):
        for batch in minibatches(epoch_order(90, 1000, epoch), 16):
            rule.zero_grad()
            torch_cross_entropy(model(data.train[0][batch]), data.train[1][batch]).backward()  # type: ignore[no-untyped-call]
            rule.step()
        scheduler.step()
        report = fused.step()[0]
        assert report is not None
        with torch.no_grad():
            expected = torch_cross_entropy(model(data.dev[0]), data.dev[1]).item()
        assert report["val_loss"] == pytest.approx(expected, abs=EXACT)


def test_a_lane_that_diverges_is_frozen_and_disturbs_no_other() -> None:
    configs = four(optimizer="sgd", lr=(0.05, 1e200, 0.1, 0.02), weight_decay=0.0, activation="relu")
    alone = [reports_alone(Doubles, config, number, 3) for number, config in enumerate(configs)]
    fused = fuse_trainings([opened(Doubles, config, number) for number, config in enumerate(configs)])
    reports = [fused.step() for _ in range(3)]
    assert not torch.tensor([reports[-1][1]["train_loss"]]).isfinite().item()  # type: ignore[index]
    for number in (0, 2, 3):
        assert [report[number] for report in reports] == [pytest.approx(row, abs=EXACT) for row in alone[number]]


def test_a_lane_reports_the_same_numbers_in_any_group_and_place() -> None:
    configs = four(dropout=0.3, mixup=0.2, rotate=10.0, hidden=8)

    def train(numbers: Sequence[int]) -> dict[str, float] | None:
        fused = fuse_trainings([opened(Doubles, configs[number], number) for number in numbers])
        fused.step()
        return fused.step()[numbers.index(1)]

    assert train([1]) == pytest.approx(train([3, 0, 1, 2]), abs=EXACT)
    assert train([1, 2]) == pytest.approx(train([2, 1]), abs=EXACT)


class Sloped(Doubles):
    """Makes a setting of a layer from a float."""

    def make_model(self, config: Config) -> nn.Module:
        layers = nn.Flatten(), nn.Linear(36, 4), nn.LeakyReLU(config["lr"]), nn.Linear(4, 3)
        return nn.Sequential(*layers).double()


def test_models_that_differ_in_structure_are_refused_with_the_place() -> None:
    trainings = [opened(Sloped, {"lr": lr}, number) for number, lr in enumerate((0.1, 0.2))]
    with pytest.raises(TrainerError, match="differ in 2: name the hyperparameter that makes the difference"):
        fuse_trainings(trainings)


def test_widths_are_not_padded_where_an_activation_is_not_zero_at_zero() -> None:
    trainings = [opened(Doubles, {"activation": "sigmoid", "hidden": hidden}, hidden) for hidden in (4, 8)]
    with pytest.raises(TrainerError, match="Sigmoid"):
        fuse_trainings(trainings)


def test_trials_of_other_steps_are_refused() -> None:
    ahead, behind = opened(Doubles, {}, 0), opened(Doubles, {}, 1)
    ahead.step()
    with pytest.raises(TrainerError, match="after the same step"):
        fuse_trainings([ahead, behind])


def test_a_trial_that_stopped_early_ends_with_its_best_dev_metrics() -> None:
    config = {"lr": 0.9, "patience": 1, "batch_size": 16, "momentum": 0.95}
    reports = reports_alone(Doubles, config, 0)
    assert len(reports) < EPOCHS
    assert reports[-1]["val_loss"] == min(report["val_loss"] for report in reports)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
def test_a_compiled_group_reports_the_same() -> None:
    config = {"lr": 0.05, "batch_size": 30, "dropout": 0.2, "hidden": 8}
    plain, compiled = (
        fuse_trainings([opened(Singles, {**config, "compile": chosen}, number) for number in range(2)])
        for chosen in (False, True)
    )
    for one, other in zip(plain.step(), compiled.step(), strict=True):
        assert one is not None
        assert other == pytest.approx(one, abs=CLOSE)


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_a_coarser_precision_learns_alone_and_fused(precision: str) -> None:
    config = {"lr": 0.05, "precision": precision, "hidden": 16}
    (alone,) = reports_alone(Singles, config, 0, 1)
    fused = fuse_trainings([opened(Singles, config, number) for number in range(3)]).step()[0]
    assert fused == pytest.approx(alone, abs=0.05)
    assert torch.get_float32_matmul_precision() == "highest"
