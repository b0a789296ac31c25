"""Training, dev and test parts, and the examples of each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from ...errors import TrainerError

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SplitSettings:
    """The sizes of the parts, and the choice of the examples in each.

    Attributes:
        dev: Examples that compare trials: a share of all examples (a float below 1) or their number (an int).
        test: Examples for one look at the end of a search, likewise; 0 for no such part.
        train: Examples that weights are fitted to, likewise; None for all that the other parts leave.
        stratify: Whether each class has the same share of every part.
        seed: Decides which example is in which part, and is no trial's seed: trials are compared on the same examples.
    """

    dev: float | int = 0.2
    test: float | int = 0.2
    train: float | int | None = None
    stratify: bool = True
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Parts:
    """The places of each part's examples, in an order that the seed decides.

    Attributes:
        train: int64 [n].
        dev: int64 [n].
        test: int64 [n]; None if the split has no such part.
    """

    train: Indices
    dev: Indices
    test: Indices | None


def split_examples(labels: npt.NDArray[Any], settings: SplitSettings, names: Sequence[str] | None = None) -> Parts:
    """Shares examples out to the parts, with scikit-learn's `train_test_split`.

    Args:
        labels: [n], each example's class, for stratification; without it, only their number matters.
        settings: Shares of the dev part are rounded down, those of the test part up.
        names: The classes' names, for messages; without them a class is called by its label.

    Raises:
        TrainerError: The parts do not add up, one is empty, or classes have too few examples to be stratified.
    """
    dev, test = _sizes(len(labels), settings)
    everything = np.arange(len(labels), dtype=np.int64)
    try:
        train, rest = _split_off(everything, dev + test, labels, settings)
        if not test:
            return Parts(train, rest, None)
        return Parts(train, *_split_off(rest, test, labels, settings))
    except ValueError as error:
        if not settings.stratify:
            raise
        raise TrainerError(_why_not_stratified(labels, min(dev, test or dev), names)) from error


def _split_off(
    places: Indices, count: int, labels: npt.NDArray[Any], settings: SplitSettings
) -> tuple[Indices, Indices]:
    kept, split_off = train_test_split(
        places,
        train_size=len(places) - count,
        test_size=count,
        stratify=labels[places] if settings.stratify else None,
        random_state=settings.seed,
    )
    return kept, split_off


def _sizes(examples: int, settings: SplitSettings) -> tuple[int, int]:
    """The numbers of dev and test examples."""
    dev = math.floor(_examples_of("dev", settings.dev, examples))
    test = math.ceil(_examples_of("test", settings.test, examples))
    train = examples - dev - test
    if dev < 1 or train < 1:
        raise TrainerError(
            f"the split gives {train} examples to train, {dev} to dev and {test} to test, of {examples} in all: "
            "the training and dev parts need at least one each"
        )
    if settings.train is not None:
        _check_train(settings, train, examples)
    return dev, test


def _examples_of(part: str, size: float | int, examples: int) -> float:
    """The number of examples that a size asks for, not yet a whole number."""
    share = isinstance(size, float)
    if not 0 <= size <= (1 if share else math.inf):
        raise TrainerError(
            f"the split's {part} is {size!r}: a share is from 0.0 to 1.0, a number of examples is an int"
        )
    return round(size * examples, 9) if share else size


def _check_train(settings: SplitSettings, left: int, examples: int) -> None:
    asked = _examples_of("train", settings.train or 0, examples)
    # A share may differ by the rounding of the two other parts.
    if abs(asked - left) > (2 if isinstance(settings.train, float) else 0):
        raise TrainerError(
            f"the split's train, dev and test are {settings.train}, {settings.dev} and {settings.test}, which do not "
            f"add up to the {examples} examples: {left} are left to train on; leave train out to have them all"
        )


def _why_not_stratified(labels: npt.NDArray[Any], smallest: int, names: Sequence[str] | None) -> str:
    classes, counts = np.unique(labels, return_counts=True)
    if smallest < len(classes):
        return (
            f"a part of {smallest} examples cannot hold an equal share of {len(classes)} classes: "
            "give it more examples, or set stratify to false"
        )
    rarest = int(counts.argmin())
    name = names[int(classes[rarest])] if names else classes[rarest]
    return (
        f"class {str(name)!r} has {counts[rarest]} of {len(labels)} examples, too few to be in every part: "
        "leave it out, merge it with another class, or set stratify to false"
    )
