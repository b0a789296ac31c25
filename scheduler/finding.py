"""The severity of something that was found."""

from enum import Enum


class Severity(str, Enum):
    """The severity of a finding."""

    NOTE = "note"
    """Nothing is wrong: the next resume sees to it, or nobody need."""
    WARNING = "warning"
    """The sweep goes on and ends the same, but a person should know."""
    BROKEN = "broken"
    """A file is not as it was written, or not there; a node cannot do its part."""
