"""Columns of numbers and of text as the inputs of a network; everything is fitted to the training part alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder

from ...errors import TrainerError
from ..parts.splits import Indices
from ..parts.standardise import Float32s, Standardiser

MAX_CATEGORIES = 50
"""Inputs that a column of text becomes at most; the rarest values share the last one."""

RARE = "(rare)"
"""The category of the rarest values, and of those that the training part lacks."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table, without the target.

    Attributes:
        numbers: float64 [n, numeric columns], NaN where missing.
        texts: Strings [n, text columns], as objects.
        number_names: The names of the numeric columns.
        text_names: The names of the text columns.
    """

    numbers: npt.NDArray[np.float64]
    texts: npt.NDArray[np.object_]
    number_names: tuple[str, ...]
    text_names: tuple[str, ...] = ()


def encode_columns(columns: Columns, train: Indices) -> tuple[Float32s, tuple[str, ...]]:
    """Makes every column numeric.

    - Numbers are standardised. Missing ones become the training part's median, and a column that misses some there gets
      a second one, `<name> is missing`, of 0 and 1.
    - Text becomes one column of 0 and 1 for each value in the training part, `<name>=<value>`. Above `MAX_CATEGORIES`,
      the rarest share one, which values that only other parts have fall into; without one those are 0 in all.

    Args:
        columns: The columns of all parts.
        train: The rows that all is fitted to.

    Returns:
        float32 [n, inputs], and the inputs' names.

    Raises:
        TrainerError: A number is infinite, text is no category, or there is no column at all.
    """
    blocks: list[Float32s] = []
    names: list[str] = []
    for encode, present in ((_encode_numbers, columns.number_names), (_encode_texts, columns.text_names)):
        if present:
            block, block_names = encode(columns, train)
            blocks.append(block)
            names += block_names
    if not blocks:
        raise TrainerError("the table has no column but the target: there is nothing to learn from")
    return np.concatenate(blocks, axis=1), tuple(names)


def _encode_numbers(columns: Columns, train: Indices) -> tuple[Float32s, list[str]]:
    numbers, names = columns.numbers, columns.number_names
    for name, column in zip(names, numbers.T, strict=True):
        if np.isinf(column).any():
            raise TrainerError(f"column {name!r} has infinite values: leave them empty, or ignore the column")
    filled = SimpleImputer(strategy="median", keep_empty_features=True).fit(numbers[train]).transform(numbers)
    standardised = Standardiser.fit(filled[train]).apply(filled)
    missing = np.isnan(numbers)
    flagged = np.flatnonzero(missing[train].any(axis=0))
    flag_names = [f"{names[place]} is missing" for place in flagged]
    return np.concatenate([standardised, missing[:, flagged].astype(np.float32)], axis=1), [*names, *flag_names]


def _encode_texts(columns: Columns, train: Indices) -> tuple[Float32s, list[str]]:
    texts = columns.texts
    for name, column in zip(columns.text_names, texts[train].T, strict=True):
        _refuse_other_than_categories(name, column)
    encoder = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        max_categories=MAX_CATEGORIES,
        sparse_output=False,
        dtype=np.float32,
        feature_name_combiner=_input_name,
    ).fit(texts[train])
    return encoder.transform(texts), encoder.get_feature_names_out(columns.text_names).tolist()


def _refuse_other_than_categories(name: str, column: npt.NDArray[np.object_]) -> None:
    different = len(set(column))
    if different > max(MAX_CATEGORIES, len(column) / 2):
        raise TrainerError(
            f"column {name!r} has {different} different values in {len(column)} training examples: it holds names or "
            "free text and no categories; ignore it"
        )


def _input_name(column: str, category: Any) -> str:
    return f"{column}={RARE if category == 'infrequent_sklearn' else category}"
