"""Targets of any type as labels from 0, with the classes' names."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import TrainerError

Labels = npt.NDArray[np.int64]

MAX_FRACTIONAL_CLASSES = 20
"""Numbers that are not whole may be classes, such as half stars, where there are no more of them than this."""


def class_labels(
    values: npt.NDArray[Any], name: str = "target", class_names: Sequence[str] | None = None
) -> tuple[Labels, tuple[str, ...]]:
    """Numbers the classes, in the order of their values: text by the alphabet, numbers by size.

    Args:
        values: [n] or [n, 1], text, bools, integers, or floats; masked or NaN where missing.
        name: For messages.
        class_names: The names of the labels from 0, for values that are labels already.

    Returns:
        int64 [n] from 0, and the classes' names.

    Raises:
        TrainerError: Values are missing, there are too many different ones or just one, or a label has no name.
    """
    column = _one_column(values, name)
    _refuse_missing(column, name)
    plain = _comparable(np.asarray(column))
    classes, labels = np.unique(plain, return_inverse=True)
    if class_names is not None:
        return _named(plain, class_names, name), tuple(class_names)
    _refuse_other_than_classes(classes, len(plain), name)
    return labels.astype(np.int64), tuple(str(value) for value in classes.tolist())


def _one_column(values: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    if values.ndim == 2 and values.shape[1] == 1:
        return values[:, 0]
    if values.ndim != 1:
        raise TrainerError(f"{name} has the shape {values.shape}: it should have one class an example, (n,)")
    return values


def _refuse_missing(values: npt.NDArray[Any], name: str) -> None:
    here = np.ma.getdata(values)[~np.ma.getmaskarray(values)]
    # NaN differs from itself.
    missing = len(values) - len(here) + sum(value is None or value != value for value in here.tolist())  # noqa: PLR0124
    if missing:
        raise TrainerError(
            f"{name} is missing in {missing} of {len(values)} examples: fill it in, or leave these examples out"
        )


def _comparable(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Whole numbers as integers, so that 1.0 is the class 1; bytes, and objects of any type, as text."""
    if values.dtype.kind == "f" and (values % 1 == 0).all():
        return values.astype(np.int64)
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8")
    return values.astype(np.str_) if values.dtype.kind == "O" else values


def _refuse_other_than_classes(classes: npt.NDArray[Any], examples: int, name: str) -> None:
    if len(classes) == 1:
        raise TrainerError(f"{name} is {str(classes[0])!r} in all examples: a classifier needs two classes or more")
    many = len(classes) > (MAX_FRACTIONAL_CLASSES if classes.dtype.kind == "f" else examples / 2)
    if many:
        raise TrainerError(
            f"{name} has {len(classes)} different values in {examples} examples: this is a classifier, whose target is "
            "text, true or false, or an integer, with many examples of each value"
        )


def _named(labels: npt.NDArray[Any], class_names: Sequence[str], name: str) -> Labels:
    if labels.dtype.kind not in "biu" or labels.min() < 0 or labels.max() >= len(class_names):
        raise TrainerError(
            f"{name} goes from {labels.min()} to {labels.max()}: for the {len(class_names)} class names it should have "
            f"integers from 0 to {len(class_names) - 1}"
        )
    return labels.astype(np.int64)
