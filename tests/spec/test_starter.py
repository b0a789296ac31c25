from pathlib import Path

import pytest

from caviar.scheduler import SweepError
from caviar.scheduler.lifecycle.recorded import new_state
from caviar.scheduler.lifecycle.validate import validate_spec
from caviar.scheduler.spec.starter import write_starter
from caviar.search_spaces import Value
from caviar.trainers import load_trainer, open_training


def test_the_starter_learns(tmp_path: Path) -> None:
    spec_file, _ = write_starter(tmp_path / "new")
    spec = validate_spec(spec_file)
    assert isinstance(spec.trainer, str)
    trainer = load_trainer(spec.trainer, spec_file.parent)
    config: dict[str, Value] = {"optimizer": "adam", "lr": 0.01, "hidden": 16, "dropout": 0.1, "weight_decay": 1e-4}
    training = open_training(trainer, number=0, config=config, seed=1, resource_max=9)
    training.begin(9)
    reports = [training.step() for _ in range(9)]
    assert reports[-1] is not None
    assert reports[-1]["val_acc"] > 0.9


def test_several_trials_of_the_starter_can_be_open_at_once(tmp_path: Path) -> None:
    spec_file, _ = write_starter(tmp_path)
    spec = validate_spec(spec_file)
    assert isinstance(spec.trainer, str)
    trainer = load_trainer(spec.trainer, spec_file.parent)
    for work in new_state(spec).decide(4):
        training = open_training(trainer, number=work.trial, config=work.config, seed=work.seed, resource_max=27)
        training.begin(1)
        assert training.step() is not None


@pytest.mark.parametrize("name", ["sweep.yaml", "train.py"])
def test_nothing_is_overwritten_and_nothing_written_beside_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(SweepError, match=f"{name} exists already"):
        write_starter(tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SweepError, match="is not a directory"):
        write_starter(tmp_path / "file")
