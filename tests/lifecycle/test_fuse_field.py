"""The fields fuse, data and target of a spec: what they may be, and what follows from the training code."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import pytest

from caviar.scheduler import InvalidSpecError, Sweep
from caviar.scheduler.core.controllers.grouping import ALONE, Grouping
from caviar.scheduler.lifecycle.fusing import fusing_sentence, resolve_fusing, sample_group, with_group_size
from caviar.scheduler.lifecycle.measure import measure_step_seconds
from caviar.scheduler.lifecycle.validate import validate_spec
from caviar.scheduler.spec.json_schema import spec_schema
from caviar.scheduler.spec.parts import FuseSpec
from caviar.scheduler.spec.spec import SweepSpec
from caviar.search_spaces import Choice, Integer, Log, Uniform
from caviar.trainers import Trial, load_trainer

SPACE = {
    "lr": Log(1e-4, 1.0),
    "hidden": Integer(8, 64),
    "layers": Choice([1, 2, 3]),
    "patience": Choice([3, 5]),
    "rho": Uniform(0.0, 1.0),
    "split": Uniform(0.1, 0.5),
    "augment": Choice([True, False]),
}


class ThisLane:
    """What tells a lane from other classes; nothing is trained here."""

    static: ClassVar[tuple[str, ...]] = ("rho", "gone")
    varying: ClassVar[tuple[str, ...]] = ("patience",)
    padded: ClassVar[tuple[str, ...]] = ("hidden", "heads")
    data_settings: ClassVar[tuple[str, ...]] = ("split",)

    def load_data(self, trial: Any) -> Any:
        raise NotImplementedError

    def make_model(self, config: Any) -> Any:
        raise NotImplementedError

    def loss(self, model: Any, batch: Any, config: Any) -> Any:
        raise NotImplementedError


def train(trial: Trial) -> Iterator[dict[str, float]]:
    """Says where its data are."""
    assert trial.data is not None
    for _ in trial.steps():
        yield {"loss": float(trial.data.read_text()), "named": float(trial.target == "price")}


def sweep(trainer: Any = ThisLane, **fields: Any) -> Sweep:
    defaults: dict[str, Any] = {"space": SPACE, "metric": "loss", "resource": {"max": 9}, "budget": {"trials": 30}}
    return Sweep(trainer, **{**defaults, **fields})


@pytest.mark.parametrize(
    ("fuse", "spec"),
    [
        ("auto", FuseSpec()),
        ("off", FuseSpec(size=1)),
        (64, FuseSpec(size=64)),
        ({"size": 8}, FuseSpec(size=8)),
        ({"size": "off"}, FuseSpec(size=1)),
        ({"static": ["lr"]}, FuseSpec(size="auto", static=("lr",))),
    ],
)
def test_fuse_is_a_size_or_a_mapping(fuse: Any, spec: FuseSpec) -> None:
    fields = {
        "name": "a",
        "trainer": "a:b",
        "metric": "loss",
        "space": {"lr": {"log": [0.1, 1.0]}},
        "resource": {"max": 9},
        "budget": {"trials": 9},
        "fuse": fuse,
    }
    assert SweepSpec.parse(fields).fuse == spec
    assert SweepSpec.parse(fields).grouping == ALONE, "nothing is fused before the training code is known"
    jsonschema.Draft202012Validator(spec_schema()).validate(fields)


@pytest.mark.parametrize(
    ("fuse", "sentence"),
    [
        (0, "fuse.size: must be auto, off, or a whole number of at least 1, got 0."),
        (True, "fuse.size: must be auto, off, or a whole number of at least 1, got True."),
        ("on", "fuse.size: must be auto, off, or a whole number of at least 1, got 'on'."),
        ({"sise": 3}, "fuse.sise: there is no such field; did you mean size."),
        (
            {"static": ["momentum"]},
            "fuse.static: momentum is no hyperparameter;"
            " the space has lr, hidden, layers, patience, rho, split, augment.",
        ),
        ({"padded": ["augment"]}, "fuse.padded: augment has values that are no numbers, so it is no width."),
        ({"static": "lr"}, "fuse.static: must be a list, got 'lr'."),
    ],
)
def test_each_mistake_in_fuse_is_one_sentence(fuse: Any, sentence: str) -> None:
    with pytest.raises(InvalidSpecError) as refusal:
        sweep(fuse=fuse)
    assert str(refusal.value) == sentence


def test_what_is_no_float_is_static_but_for_what_the_lane_says() -> None:
    spec = sweep(fuse=16).spec
    assert spec.fuse == FuseSpec(size=16, static=("layers", "rho", "split", "augment"), padded=("hidden",))
    assert spec.grouping == Grouping(16, ("layers", "rho", "split", "augment"), ("hidden",))
    assert SweepSpec.from_yaml(spec.to_yaml()) == spec


def test_what_chooses_the_workers_is_static() -> None:
    kinds = [{"gpu": 1, "when": {"hidden": [8, 16], "patience": [3]}}, {"cpu": 1}]
    spec = sweep(fuse=16, workers=kinds).spec
    assert spec.fuse == FuseSpec(size=16, static=("hidden", "layers", "patience", "rho", "split", "augment"), padded=())
    assert sweep(fuse={"size": 4, "static": ["rho"]}, workers=kinds).spec.grouping == Grouping(4, ("rho",), ())


def test_what_the_spec_says_goes_before_what_the_lane_says() -> None:
    assert sweep(fuse={"size": 4, "static": ["rho"]}).spec.grouping == Grouping(4, ("rho",), ("hidden",))
    assert sweep(fuse={"size": 4, "padded": []}).spec.grouping == Grouping(
        4, ("hidden", "layers", "rho", "split", "augment"), ()
    )


def test_the_size_of_a_lane_is_left_to_a_measurement_and_everything_else_is_resolved() -> None:
    spec = sweep().spec
    assert (spec.fuse.size, spec.fuse.static) == ("auto", ("layers", "rho", "split", "augment"))
    assert spec.grouping == ALONE
    measured = with_group_size(spec, 128)
    assert measured.grouping.size == 128
    assert SweepSpec.from_yaml(measured.to_yaml()) == measured
    assert resolve_fusing(measured, load_trainer(ThisLane)) == measured
    assert fusing_sentence(measured) == ("Fusing up to 128 trials that have layers, rho, split, augment in common.")
    assert fusing_sentence(with_group_size(spec, 1), "it is slow") == "Training one trial at a time: it is slow."


@pytest.mark.parametrize("fuse", ["auto", "off", {"size": 1}])
def test_training_code_that_is_no_lane_is_trained_one_trial_at_a_time(fuse: Any) -> None:
    assert sweep(train, fuse=fuse).spec.fuse == FuseSpec(size=1, static=(), padded=())


def test_fusing_training_code_that_is_no_lane_is_refused() -> None:
    with pytest.raises(InvalidSpecError) as refusal:
        sweep(train, fuse=8)
    assert str(refusal.value) == (
        "fuse: 8 trials are to be trained together, but train is no lane, and only a lane can be fused; leave it out."
    )


def test_a_lane_that_several_processes_are_to_train_is_refused_and_other_code_is_trained_one_trial_at_a_time() -> None:
    with pytest.raises(InvalidSpecError) as refusal:
        sweep(workers={"processes": 2})
    assert str(refusal.value) == (
        "workers.processes: ThisLane is a lane, whose loop trains in one process, got 2; leave it out, or write a"
        " generator function or a class."
    )
    assert sweep(train, workers={"processes": 2}).spec.fuse.size == 1


def test_asha_trains_the_trials_of_a_lane_one_at_a_time() -> None:
    assert sweep(controller="asha").spec.fuse == FuseSpec(size=1, static=(), padded=())
    with pytest.raises(InvalidSpecError, match=r"but asha promotes each trial by itself; leave it out"):
        sweep(controller="asha", fuse=8)


def test_a_size_is_measured_on_the_widest_trials_that_the_first_bracket_has_in_common() -> None:
    spec = sweep(fuse={"static": ["augment"]}, controller="random", budget={"trials": 64}).spec
    sample = sample_group(spec)
    assert 6 <= len(sample) <= 8
    assert len({work.config["augment"] for work in sample}) == 1
    widths = sorted(int(str(work.config["hidden"])) for work in sample)
    assert widths[-1] > 55, "the widest are among them"
    assert widths[0] > 40, "and they are similar"


def test_plans_and_simulations_work_before_and_after_the_size_is_known() -> None:
    one, together = sweep(controller="hyperband"), sweep(fuse=8, controller="hyperband")
    assert one.plan().trials == together.plan().trials == 30
    assert one.plan(1.0).seconds == together.plan(1.0, workers=1).seconds

    def curve(config: Any, seed: int) -> list[float]:
        return [float(config["lr"])] * 9

    tables = [one.simulate(curve).trials(), together.simulate(curve, workers=3).trials()]
    assert tables[0].drop_columns(["elapsed_s"]) == tables[1].drop_columns(["elapsed_s"])


SPEC = """
name: houses
trainer: train.py:train
data: prices.csv
target: price
metric: loss
space: {lr: {log: [0.1, 1.0]}}
resource: {max: 2}
budget: {trials: 4}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a spec, training code and data."""
    (tmp_path / "sweep.yaml").write_text(SPEC)
    (tmp_path / "prices.csv").write_text("0.25")
    (tmp_path / "train.py").write_text(
        "def train(trial):\n"
        "    for _ in trial.steps():\n"
        "        yield {'loss': float(trial.data.read_text()), 'target': float(trial.target == 'price')}\n"
    )
    return tmp_path


def test_data_start_in_the_specs_folder_and_are_written_down_as_an_absolute_path(folder: Path) -> None:
    assert validate_spec(folder / "sweep.yaml").data == "prices.csv"
    spec = Sweep.from_yaml(folder / "sweep.yaml").spec
    assert (spec.data, spec.target) == (str(folder / "prices.csv"), "price")
    assert SweepSpec.from_yaml(spec.to_yaml()) == spec


def test_data_that_are_not_there_are_one_sentence(folder: Path) -> None:
    (folder / "prices.csv").unlink()
    sentence = f"data: there is no file or folder {folder / 'prices.csv'}, got 'prices.csv'."
    for attempt in (
        lambda: validate_spec(folder / "sweep.yaml"),
        lambda: Sweep.from_yaml(folder / "sweep.yaml"),
        lambda: measure_step_seconds(SweepSpec.from_yaml(SPEC), folder),
    ):
        with pytest.raises(InvalidSpecError) as refusal:
            attempt()
        assert str(refusal.value) == sentence


def test_a_measurement_of_a_step_finds_the_data(folder: Path) -> None:
    assert measure_step_seconds(SweepSpec.from_yaml(SPEC), folder) > 0


def test_data_given_in_python_start_in_the_working_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert sweep(train, data=Path("prices.csv"), target="price").spec.data == str(folder / "prices.csv")
