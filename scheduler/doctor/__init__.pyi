"""The names that `__init__.py` imports when they are asked for, as type checkers see them."""

from .files import examine, repair

__all__ = ["examine", "repair"]
