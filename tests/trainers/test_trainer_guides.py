"""What the guides on lanes, the classifier and the parts show is true."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_wine

from caviar.scheduler.spec.spec import SweepSpec
from caviar.trainers import fuse_trainings, load_trainer, open_training
from caviar.trainers.pytorch.classification.architecture import Architecture
from caviar.trainers.pytorch.classification.classifier import Classifier, DataSettings
from caviar.trainers.pytorch.lanes.recipe import Recipe
from caviar.trainers.pytorch.parts.augmentation import AugmentationSettings
from caviar.trainers.pytorch.parts.schedules import SCHEDULES

DOCS = Path(__file__).parents[2] / "docs"


def blocks(guide: str, language: str) -> list[str]:
    text = (DOCS / guide).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def test_the_code_in_the_guide_to_the_parts_runs_from_top_to_bottom(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for block in blocks("parts.md", "python"):
        exec(block, names)
    assert "wrong" not in capsys.readouterr().out
    assert len(names["rates"]) == 2000


def test_the_lane_in_the_guide_learns_alone_and_fused() -> None:
    names: dict[str, Any] = {}
    for block in blocks("fused.md", "python"):
        exec(block, names)
    trainer = load_trainer(names["Digits"])
    configs: list[dict[str, Any]] = [
        {"hidden": 16, "dropout": 0.1, "lr": 0.1},
        {"hidden": 64, "dropout": 0.3, "lr": 0.02},
    ]
    alone, *lanes = (
        open_training(trainer, number=number, config=config, seed=number, resource_max=3)
        for number, config in [(0, configs[0]), *enumerate(configs)]
    )
    fused = fuse_trainings(lanes)
    for _ in range(3):
        expected, reports = alone.step(), fused.step()
    assert expected is not None
    assert reports[0] == pytest.approx(expected, abs=1e-3)
    assert [report["val_acc"] > 0.8 for report in reports if report] == [True, True]


def test_the_spec_in_the_guide_to_the_classifier_can_be_trained_on_such_a_table(tmp_path: Path) -> None:
    (document,) = blocks("classifier.md", "yaml")
    spec = SweepSpec.from_yaml(document)
    wine = load_wine(as_frame=True)
    table = wine.data.assign(cultivar=wine.target_names[wine.target])
    table.to_csv(tmp_path / "wine.csv", index=False)
    training = open_training(
        load_trainer(str(spec.trainer)),
        number=0,
        config=spec.search_space.decode(np.full((1, spec.search_space.dimensions), 0.6))[0],
        seed=1,
        resource_max=20,
        data=tmp_path / str(spec.data),
        target=spec.target,
    )
    reports = [training.step() or {} for _ in range(20)]
    assert reports[-1]["val_acc"] > 0.9


@pytest.mark.parametrize(
    ("guide", "names"),
    [
        ("classifier.md", (*Architecture.model_fields, *DataSettings.model_fields, "label_smoothing", "mixup")),
        ("fused.md", tuple(Recipe.model_fields.keys() - {"compile"})),
        ("fused.md", Classifier.__mro__[1].__annotations__.keys() - {"defaults"}),
        ("parts.md", (*SCHEDULES, *AugmentationSettings.__dataclass_fields__)),
    ],
)
def test_the_guides_name_every_setting(guide: str, names: tuple[str, ...]) -> None:
    text = (DOCS / guide).read_text(encoding="utf-8")
    assert [name for name in names if f"`{name}`" not in text] == []
