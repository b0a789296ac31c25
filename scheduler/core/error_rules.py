"""What is done about a failure, by the first rule whose pattern is found in what is known of it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .assignment import ErrorAction


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """One rule.

    Attributes:
        match: A regular expression that is searched.
        action: What is done where it is found.
    """

    match: str
    action: ErrorAction


def decide(rules: Iterable[ErrorRule], *texts: str) -> ErrorAction | None:
    """What the first rule that matches says; None where none does.

    Args:
        rules: The rules, in order.
        texts: What is searched: the error, and what was printed.
    """
    found = (rule.action for rule in rules if any(re.search(rule.match, text) for text in texts))
    return next(found, None)
