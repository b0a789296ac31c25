"""The names that `__init__.py` imports when they are asked for, as type checkers see them."""

from .continuous import InverseLog, Log, Uniform
from .domain import Domain
from .errors import CaviarError, InvalidSpaceError, InvalidYamlError
from .integer import Integer
from .options import Choice, Constant, Ordinal
from .space import SearchSpace
from .values import Value

__all__ = [
    "CaviarError",
    "Choice",
    "Constant",
    "Domain",
    "Integer",
    "InvalidSpaceError",
    "InvalidYamlError",
    "InverseLog",
    "Log",
    "Ordinal",
    "SearchSpace",
    "Uniform",
    "Value",
]
