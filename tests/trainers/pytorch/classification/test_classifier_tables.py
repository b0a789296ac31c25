"""The ready classifier on a person's own table."""

from pathlib import Path
from typing import Any

import pytest

from caviar.trainers import TrainerError, load_trainer, open_training
from caviar.trainers.pytorch.classification.classifier import Classifier


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [f"{row},{row % 3},{row % 7},{'abc'[row % 3]}" for row in range(60)]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["id,size,noise,kind", *rows]) + "\n")
    return path


def inputs_of(table: Path, **config: Any) -> int:
    training = open_training(
        load_trainer(Classifier), number=0, config=config, seed=0, resource_max=1, data=table, target="kind"
    )
    assert training.step() is not None
    return int(training.config["input_shape"][0])  # type: ignore[attr-defined]


@pytest.mark.parametrize("ignore", ["id, noise", ["id", "noise"]])
def test_ignored_columns_are_a_list_or_separated_by_commas(table: Path, ignore: str | list[str]) -> None:
    assert inputs_of(table, ignore=ignore) == 1
    assert inputs_of(table) == 3


def test_changes_of_images_are_refused_for_a_table(table: Path) -> None:
    with pytest.raises(TrainerError, match="flip changes images, and the inputs are rows of a table: leave it out"):
        inputs_of(table, flip=0.5)
