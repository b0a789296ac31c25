"""The goal of a search: whether its metric is minimised or maximised."""

from typing import Literal

Mode = Literal["min", "max"]


def sign_of(mode: str) -> float:
    """The factor by which a value becomes a loss, which is minimised: 1.0 for "min", -1.0 for "max"."""
    return 1.0 if mode == "min" else -1.0
