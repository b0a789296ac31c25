"""A classifier of handwritten digits: the lane of `examples/digits.yaml`."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from ...search_spaces import Value
from ..trial import Trial
from .classification import classifier as classification
from .lanes.data import Data, digits_data


class Digits(classification.Classifier):
    """Classifies scikit-learn's digits, 1,797 images of 8x8 grey levels, which every trial sees split alike."""

    data_settings: ClassVar[tuple[str, ...]] = ()

    def load_data(self, trial: Trial) -> Data:
        """The digits in three parts."""
        return digits_data()


train = Digits
"""The name that specs know it by."""


def evaluate_on_test(config: Mapping[str, Value], checkpoint: Path) -> dict[str, float]:
    """The metrics of a trained model on the digits that no decision of the search has seen.

    Args:
        config: The trial's configuration.
        checkpoint: The trial's checkpoint, such as `Results.best.checkpoint`.

    Returns:
        `test_loss` and `test_acc`.

    Raises:
        TrainerError: The checkpoint cannot be read.
    """
    return classification.evaluate_on_test(config, checkpoint, digits_data())
