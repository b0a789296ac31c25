"""All domains, as one type."""

from typing import TypeAlias

from .continuous import InverseLog, Log, Uniform
from .integer import Integer
from .options import Choice, Constant, Ordinal

Domain: TypeAlias = Uniform | Log | InverseLog | Integer | Choice | Ordinal | Constant
"""Any domain. All have decode, encode, snap, grid, position, value_type, is_constant, size and when."""
