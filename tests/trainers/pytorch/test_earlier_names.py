"""Modules of `caviar.trainers.pytorch` by the names that they had before it got folders."""

import subprocess
import sys
from importlib import import_module

import pytest

from caviar.trainers import load_trainer
from caviar.trainers.pytorch.earlier_names import EARLIER_NAMES


@pytest.mark.parametrize("old", EARLIER_NAMES)
def test_an_old_name_gives_the_one_module_and_warns(old: str) -> None:
    sys.modules.pop(f"caviar.trainers.pytorch.{old}", None)
    with pytest.warns(DeprecationWarning, match=rf"\.{old} is called .*\.{EARLIER_NAMES[old]} now"):
        module = import_module(f"caviar.trainers.pytorch.{old}")
    assert module is import_module(f"caviar.trainers.pytorch.{EARLIER_NAMES[old]}")
    assert module.__name__ == f"caviar.trainers.pytorch.{EARLIER_NAMES[old]}"
    assert module.__spec__ is not None
    assert module.__spec__.name == module.__name__


def test_an_old_name_may_be_asked_for_first_and_by_a_from_import() -> None:
    program = (
        "from caviar.trainers.pytorch.schedules import make_schedule as old\n"
        "from caviar.trainers.pytorch.parts.schedules import make_schedule as new\n"
        "from caviar.trainers.pytorch.classification import evaluate_on_test\n"
        "from caviar.trainers.pytorch import classifier, Data\n"
        "print(old is new, evaluate_on_test.__name__, classifier.__name__, Data.__name__)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["True", "evaluate_on_test", "Classifier", "Data"]


@pytest.mark.parametrize("reference", ["caviar.trainers.pytorch.digits:train", "caviar.trainers.pytorch:classifier"])
def test_names_that_stand_in_specs_stay(reference: str) -> None:
    import_module("caviar.trainers.pytorch.classification")
    assert load_trainer(reference).reference is not None


def test_a_name_that_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'caviar\.trainers\.pytorch\.schedule'"):
        import_module("caviar.trainers.pytorch.schedule")
