"""The report of a step, made float."""

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..search_spaces.values import show
from .errors import TrainerError

_LONGEST = 200


def to_metrics(report: object, source: str) -> dict[str, float]:
    """Checks a report and makes each value a float.

    Args:
        report: The training code's report: a dict from names to bool, int, float, or a numpy or torch scalar.
        source: The trainer's name, for messages.

    Returns:
        The metrics, in the order given; NaN and infinities pass.

    Raises:
        TrainerError: The report is no dict, is empty, or holds anything else.
    """
    if not isinstance(report, dict):
        raise TrainerError(
            f'{source} reported a {_type_name(report)}: a report is a dict of metrics such as {{"val_loss": 0.3}}'
        )
    if not report:
        raise TrainerError(f"{source} reported an empty dict: a report holds at least one metric")
    for name in report:
        if not isinstance(name, str) or not _can_name_a_column(name):
            raise TrainerError(
                f"{source} reported a metric named {show(name)}: a metric's name is a non-empty string of one line,"
                f" of at most {_LONGEST} characters"
            )
    return {name: value if type(value) is float else _to_float(name, value, source) for name, value in report.items()}


@lru_cache(1024)
def _can_name_a_column(name: str) -> bool:
    odd = any(mark < " " or mark == "\x7f" or "\ud800" <= mark <= "\udfff" for mark in name)
    return 0 < len(name) <= _LONGEST and not odd


def _to_float(name: str, value: Any, source: str) -> float:
    if not isinstance(value, int | float) and getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    if not isinstance(value, int | float | np.floating):
        raise TrainerError(
            f"{source} reported the metric {name!r} as a {_type_name(value)}: a metric is a number "
            "(bool, int, float, or a numpy or torch scalar)"
        )
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _type_name(value: object) -> str:
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"{type(value).__name__} of shape {tuple(shape)}"
